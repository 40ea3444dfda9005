with sessions as (
    select * from {{ ref('dim_sessions') }}
),

-- As far as the calendars reach.
span as (
    select
        min(session_date) as first_date,
        max(session_date) as last_date
    from sessions
),

dates as (
    select cast(unnest(generate_series(first_date, last_date, interval 1 day)) as date) as date
    from span
),

final as (
    select
        date,
        extract(year from date) as year,
        extract(quarter from date) as quarter,
        extract(month from date) as month,
        cast(date_trunc('week', date) as date) as week_start_date,
        extract(isodow from date) as day_of_week,
        extract(isodow from date) > 5 as is_weekend
    from dates
)

select * from final
order by date
