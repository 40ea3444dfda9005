with executions as (
    select * from {{ ref('executions') }}
),

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
    where action_type = 'split'
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

traded as (
    select
        instrument_id,
        any_value(asset_class) as asset_class,
        min(executed_at) as first_executed_at
    from executions
    group by instrument_id
),

-- Shares are split at midnight where they are traded.
splits as (
    select
        traded.instrument_id,
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
        list(old_shares) over (
            partition by instrument_id
            order by valid_from
            rows between unbounded preceding and current row
        ) as old_shares_so_far,
        list(new_shares) over (
            partition by instrument_id
            order by valid_from
            rows between 1 following and unbounded following
        ) as new_shares_to_come
    from steps
),

final as (
    select
        instrument_id,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over series as valid_to,
        effective_at,
        lead(effective_at, 1, timestamp '9999-12-31') over series as effective_until,
        cast(
            list_product(old_shares_so_far) * list_product(coalesce(new_shares_to_come, [1]))
            as bigint
        ) as units_per_share
    from counted
    window series as (partition by instrument_id order by valid_from)
)

select * from final
order by instrument_id, valid_from
