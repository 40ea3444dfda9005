with sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

final as (
    select
        {{ surrogate_key(['calendar', 'session_date']) }} as session_key,
        calendar,
        session_date,
        open_at,
        close_at,
        is_early_close,
        lag(session_date) over (partition by calendar order by session_date)
            as previous_session_date,
        lead(session_date) over (partition by calendar order by session_date) as next_session_date
    from sessions
)

select * from final
order by calendar, session_date
