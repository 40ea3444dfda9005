with requests as (
    select * from {{ ref('load_requests') }}
    where dataset = 'bars'
),

covered_ranges as (
    select * from {{ ref('int_bars__covered_ranges') }}
),

series as (
    select * from {{ ref('int_bars__series') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

covered as (
    select
        *,
        start_at - lag(end_at) over (
            partition by provider, instrument_id, timeframe order by start_at
        ) as gap
    from covered_ranges
),

covered_summary as (
    select
        provider,
        instrument_id,
        timeframe,
        min(start_at) as covered_from,
        max(end_at) as covered_until,
        count(gap) as gap_count,
        cast(coalesce(sum(epoch(gap)), 0) as bigint) as gap_seconds
    from covered
    group by all
),

last_asked as (
    select
        series.provider,
        series.instrument_id,
        series.timeframe,
        max(requests.fetched_at) as last_asked_at
    from series
    inner join requests
        on
            series.provider = requests.provider
            and series._symbol = requests.symbol
            and series.timeframe = requests.timeframe
    group by all
),

held as (
    select
        provider,
        instrument_id,
        timeframe,
        any_value(asset_class) as asset_class,
        min(first_bar_at) as first_bar_at,
        max(last_bar_end_at) as last_bar_end_at,
        cast(sum(bar_count) as bigint) as bar_count
    from series
    group by all
),

held_sessions as (
    select distinct
        provider,
        instrument_id,
        timeframe,
        session_date
    from series
),

-- Sessions of the market inside covered ranges for which the vendor gave nothing, from its first
-- bar on: before that the instrument may not have been listed.
missing_sessions as (
    select
        held.provider,
        held.instrument_id,
        held.timeframe,
        count(*) as missing_session_count,
        min(sessions.session_date) as first_missing_session,
        max(sessions.session_date) as last_missing_session
    from held
    inner join asset_classes on held.asset_class = asset_classes.asset_class
    inner join sessions
        on
            asset_classes.calendar = sessions.calendar
            and held.first_bar_at < sessions.close_at
    semi join covered_ranges
        on
            held.provider = covered_ranges.provider
            and held.instrument_id = covered_ranges.instrument_id
            and held.timeframe = covered_ranges.timeframe
            and sessions.open_at >= covered_ranges.start_at
            and sessions.close_at <= covered_ranges.end_at
    anti join held_sessions
        on
            held.provider = held_sessions.provider
            and held.instrument_id = held_sessions.instrument_id
            and held.timeframe = held_sessions.timeframe
            and sessions.session_date = held_sessions.session_date
    group by all
),

final as (
    select
        held.provider,
        held.instrument_id,
        held.timeframe,
        held.bar_count,
        held.first_bar_at,
        held.last_bar_end_at,
        covered_summary.covered_from,
        covered_summary.covered_until,
        coalesce(covered_summary.gap_count, 0) as gap_count,
        coalesce(covered_summary.gap_seconds, 0) as gap_seconds,
        coalesce(missing_sessions.missing_session_count, 0) as missing_session_count,
        missing_sessions.first_missing_session,
        missing_sessions.last_missing_session,
        last_asked.last_asked_at
    from held
    left join covered_summary
        on
            held.provider = covered_summary.provider
            and held.instrument_id = covered_summary.instrument_id
            and held.timeframe = covered_summary.timeframe
    left join missing_sessions
        on
            held.provider = missing_sessions.provider
            and held.instrument_id = missing_sessions.instrument_id
            and held.timeframe = missing_sessions.timeframe
    left join last_asked
        on
            held.provider = last_asked.provider
            and held.instrument_id = last_asked.instrument_id
            and held.timeframe = last_asked.timeframe
)

select * from final
order by provider, instrument_id, timeframe
