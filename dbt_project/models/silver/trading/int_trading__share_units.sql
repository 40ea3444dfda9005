{#- A decimal with 18 places holds 20 digits before them, of which sums need some; a bigint
    holds 18. -#}
{%- set most_units = '5e19' -%}
{%- set most_whole_units = '5e18' -%}
{%- set most_shares = '1e17' -%}
{%- set largest_growth = '1e12' -%}
{%- set kept_digits = 16 %}

with recursive executions as (
    select * from {{ ref('executions') }}
),

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
    where action_type = 'split'
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

-- The most that one account traded of an instrument, whichever way its positions went.
turnovers as (
    select
        account_id,
        instrument_id,
        any_value(asset_class) as asset_class,
        min(executed_at) as first_executed_at,
        cast(sum(quantity) as double) as quantity
    from executions
    group by account_id, instrument_id
),

traded as (
    select
        instrument_id,
        any_value(asset_class) as asset_class,
        min(first_executed_at) as first_executed_at,
        greatest(max(quantity), 1) as most_traded
    from turnovers
    group by instrument_id
),

-- Shares are split at midnight where they are traded.
told_splits as (
    select
        traded.instrument_id,
        traded.most_traded,
        corporate_actions.ex_date as valid_from,
        {{ utc_from_local(
            'cast(corporate_actions.ex_date as timestamp)', 'asset_classes.time_zone'
        ) }} as effective_at,
        {{ share_ratio('corporate_actions.split_ratio') }} as shares
    from corporate_actions
    inner join traded on corporate_actions.instrument_id = traded.instrument_id
    inner join asset_classes on traded.asset_class = asset_classes.asset_class
    where
        effective_at > traded.first_executed_at
        and corporate_actions.split_ratio between 1e-4 and 1e4
),

-- What one share at the beginning of all has become.
grown as (
    select
        *,
        {{ running_product('cast(shares[1] as double) / shares[2]', 'series') }} as growth
    from told_splits
    window series as (partition by instrument_id order by valid_from)
),

spread as (
    select
        *,
        greatest(max(growth) over series, 1) / least(min(growth) over series, 1) as growth_range
    from grown
    window series as (partition by instrument_id order by valid_from)
),

-- From a split on after which there would be more shares than can be counted, none is believed.
splits as (
    select *
    from spread
    where growth_range < {{ largest_growth }} and most_traded * growth_range < {{ most_shares }}
),

steps as (
    select
        instrument_id,
        valid_from,
        effective_at,
        shares[1] as new_shares,
        shares[2] as old_shares
    from splits
    union all
    select distinct
        instrument_id,
        date '0001-01-01' as valid_from,
        timestamp '0001-01-01' as effective_at,
        1 as new_shares,
        1 as old_shares
    from splits
),

-- Whole numbers at all times: what a split multiplies shares by, it divides their units by.
counted as (
    select
        *,
        row_number() over series as step_no,
        list(old_shares) over (
            partition by instrument_id
            order by valid_from
            rows between unbounded preceding and current row
        ) as old_shares_so_far,
        coalesce(
            list(new_shares) over (
                partition by instrument_id
                order by valid_from
                rows between 1 following and unbounded following
            ),
            [1]
        ) as new_shares_to_come
    from steps
    window series as (partition by instrument_id order by valid_from)
),

sized as (
    select
        counted.*,
        traded.most_traded,
        max(list_product(counted.old_shares_so_far) * list_product(counted.new_shares_to_come))
            over (partition by counted.instrument_id)
            as most_units
    from counted
    inner join traded on counted.instrument_id = traded.instrument_id
),

whole as (
    select * from sized
    where most_units < {{ most_whole_units }} and most_units * most_traded < {{ most_units }}
),

-- Products of doubles would round.
multiplied as (
    select
        instrument_id,
        step_no,
        valid_from,
        effective_at,
        cast(old_shares as bigint) as old_shares_so_far,
        cast(new_shares as bigint) as new_shares_so_far
    from whole
    where step_no = 1
    union all
    select
        whole.instrument_id,
        whole.step_no,
        whole.valid_from,
        whole.effective_at,
        multiplied.old_shares_so_far * whole.old_shares as old_shares_so_far,
        multiplied.new_shares_so_far * whole.new_shares as new_shares_so_far
    from multiplied
    inner join whole
        on
            multiplied.instrument_id = whole.instrument_id
            and multiplied.step_no + 1 = whole.step_no
),

exact as (
    select
        instrument_id,
        valid_from,
        effective_at,
        cast(
            old_shares_so_far
            * (max(new_shares_so_far) over (partition by instrument_id) // new_shares_so_far)
            as decimal(38, 18)
        ) as units_per_share,
        cast(null as decimal(38, 18)) as unit_step
    from multiplied
),

fractional as (
    select * from sized
    where most_units >= {{ most_whole_units }} or most_units * most_traded >= {{ most_units }}
),

-- One unit for a share at first, then each split's part of it, in units of the last decimal place.
last_places as (
    select
        instrument_id,
        step_no,
        cast(1000000000000000000 as hugeint) as places
    from fractional
    where step_no = 1
    union all
    select
        fractional.instrument_id,
        fractional.step_no,
        (last_places.places * fractional.old_shares + fractional.new_shares // 2)
        // fractional.new_shares as places
    from last_places
    inner join fractional
        on
            last_places.instrument_id = fractional.instrument_id
            and last_places.step_no + 1 = fractional.step_no
),

ranges as (
    select
        instrument_id,
        max(growth_range) as growth_range
    from splits
    group by instrument_id
),

rounded as (
    select
        fractional.instrument_id,
        fractional.valid_from,
        fractional.effective_at,
        cast('0.000000000000000001' as decimal(38, 18)) * cast(last_places.places as decimal(38, 0))
            as units_per_share,
        -- Sixteen digits of the most there can be: what units are rounded by does not show in them.
        cast(
            pow(
                10,
                greatest(
                    ceil(log10(fractional.most_traded * ranges.growth_range)) - {{ kept_digits }},
                    -17
                )
            ) as decimal(38, 18)
        ) as unit_step
    from fractional
    inner join last_places
        on
            fractional.instrument_id = last_places.instrument_id
            and fractional.step_no = last_places.step_no
    inner join ranges on fractional.instrument_id = ranges.instrument_id
),

measured as (
    select * from exact
    union all
    select * from rounded
),

final as (
    select
        instrument_id,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over series as valid_to,
        effective_at,
        lead(effective_at, 1, timestamp '9999-12-31') over series as effective_until,
        units_per_share,
        unit_step
    from measured
    window series as (partition by instrument_id order by valid_from)
)

select * from final
order by instrument_id, valid_from
