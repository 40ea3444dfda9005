with executions as (
    select * from {{ ref('executions') }}
),

cash_movements as (
    select * from {{ ref('cash_movements') }}
),

closes as (
    select * from {{ ref('int_trading__closes') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

traded as (
    select distinct
        account_id,
        instrument_id,
        asset_class
    from executions
),

event_days as (
    select distinct
        account_id,
        cast(executed_at as date) as date
    from executions
    union
    select distinct
        account_id,
        cast(moved_at as date) as date
    from cash_movements
    union
    select distinct
        account_id,
        ex_date as date
    from {{ ref('int_lots__dividends') }}
),

last_closes as (
    select
        instrument_id,
        max(date) as date
    from closes
    group by instrument_id
),

spans as (
    select
        account_id,
        min(date) as first_date,
        max(date) as last_event_date
    from event_days
    group by account_id
),

calendars as (
    select
        traded.account_id,
        asset_classes.calendar,
        any_value(spans.first_date) as first_date,
        greatest(
            any_value(spans.last_event_date),
            max(max(last_closes.date)) over (partition by traded.account_id)
        ) as last_date
    from traded
    inner join asset_classes on traded.asset_class = asset_classes.asset_class
    inner join spans on traded.account_id = spans.account_id
    left join last_closes on traded.instrument_id = last_closes.instrument_id
    group by traded.account_id, asset_classes.calendar
),

final as (
    select * from event_days
    union
    select distinct
        calendars.account_id,
        sessions.session_date as date
    from calendars
    inner join sessions
        on
            calendars.calendar = sessions.calendar
            and calendars.first_date <= sessions.session_date
            and calendars.last_date >= sessions.session_date
)

select * from final
order by account_id, date
