-- A failing row is an account's day on which the units of an instrument that its strategies hold
-- are not the signed sum of all its executions until the end of the day, splits taken into account;
-- or on which it holds another number of instruments. Exactly, but for rounding where shares were
-- split.
{{ config(meta={'dagster': {'ref': {'name': 'int_trading__daily_pnl'}}}) }}

with executions as (
    select * from {{ ref('executions') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

splits as (
    select
        instrument_id,
        ex_date,
        {{ share_ratio('split_ratio') }} as shares
    from {{ ref('corporate_actions') }}
    where action_type = 'split'
),

-- What one share at the beginning of all has become.
factors as (
    select
        instrument_id,
        ex_date,
        product(shares[1] / shares[2]) over (partition by instrument_id order by ex_date)
            as factor
    from splits
),

signed as (
    select
        executions.account_id,
        executions.instrument_id,
        cast(executions.executed_at as date) as date,
        case
            when executions.instrument_id in (select factors.instrument_id from factors)
                then cast(
                        {{ local_timestamp('executions.executed_at', 'asset_classes.time_zone') }}
                        as date
                    )
            else date '0001-01-01'
        end as local_date,
        case executions.side when 'buy' then 1 else -1 end * executions.quantity as quantity
    from executions
    inner join asset_classes on executions.asset_class = asset_classes.asset_class
),

traded as (
    select
        account_id,
        instrument_id,
        date,
        local_date,
        sum(quantity) as quantity,
        sum(abs(quantity)) as turnover
    from signed
    group by all
),

traded_shares as (
    select
        traded.account_id,
        traded.instrument_id,
        traded.date,
        sum(traded.quantity) as quantity,
        sum(traded.quantity / coalesce(factors.factor, 1)) as first_shares,
        sum(traded.turnover / coalesce(factors.factor, 1)) as turnover
    from traded
    asof left join factors
        on
            traded.instrument_id = factors.instrument_id
            and traded.local_date >= factors.ex_date
    group by all
),

held as (
    select
        account_id,
        instrument_id,
        date,
        sum(quantity) over position as quantity,
        sum(first_shares) over position as first_shares,
        sum(turnover) over position as turnover,
        instrument_id in (select factors.instrument_id from factors) as was_split
    from traded_shares
    window position as (partition by account_id, instrument_id order by date)
),

positions as (
    select
        account_id,
        instrument_id,
        date,
        sum(position_quantity) as quantity
    from {{ ref('int_trading__daily_pnl') }}
    group by all
),

compared as (
    select
        positions.account_id,
        positions.date,
        positions.instrument_id,
        positions.quantity,
        held.quantity as traded_quantity,
        held.first_shares * coalesce(factors.factor, 1) as traded_shares,
        held.turnover * coalesce(factors.factor, 1) as turnover,
        coalesce(held.was_split, false) as was_split
    from positions
    asof left join held
        on
            positions.account_id = held.account_id
            and positions.instrument_id = held.instrument_id
            and positions.date >= held.date
    asof left join factors
        on
            positions.instrument_id = factors.instrument_id
            and positions.date >= factors.ex_date
),

differing as (
    select
        account_id,
        date,
        instrument_id,
        quantity,
        traded_shares
    from compared
    where
        case
            when was_split
                then abs(cast(quantity as double) - traded_shares) > 1e-9 * turnover
            else quantity is distinct from traded_quantity
        end
),

-- From when on there is one instrument more or less.
openings as (
    select
        account_id,
        date,
        case when abs(first_shares) > 1e-9 * turnover then 1 else 0 end
        - lag(case when abs(first_shares) > 1e-9 * turnover then 1 else 0 end, 1, 0) over (
            partition by account_id, instrument_id
            order by date
        ) as change
    from held
),

openings_of_days as (
    select
        account_id,
        date,
        sum(change) as change
    from openings
    group by all
),

counts as (
    select
        account_id,
        date,
        sum(change) over (partition by account_id order by date) as position_count
    from openings_of_days
),

portfolios as (
    select * from {{ ref('mart_daily_portfolio_summary') }}
),

miscounted as (
    select
        portfolios.account_id,
        portfolios.date,
        cast(null as varchar) as instrument_id,
        portfolios.position_count as quantity,
        counts.position_count as traded_shares
    from portfolios
    asof left join counts
        on
            portfolios.account_id = counts.account_id
            and portfolios.date >= counts.date
    where portfolios.position_count <> coalesce(counts.position_count, 0)
)

select * from differing
union all
select * from miscounted
