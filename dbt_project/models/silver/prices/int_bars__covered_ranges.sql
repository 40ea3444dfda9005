with requests as (
    select * from {{ ref('load_requests') }}
    where dataset = 'bars' and covered_until > start_at
),

series as (
    select * from {{ ref('int_bars__series') }}
),

-- An instrument may have been asked for under several symbols.
asked_instruments as (
    select distinct
        provider,
        _symbol,
        timeframe,
        instrument_id
    from series
),

covered as (
    select
        requests.provider,
        asked_instruments.instrument_id,
        requests.timeframe,
        requests.start_at,
        requests.covered_until as end_at
    from requests
    inner join asked_instruments
        on
            requests.provider = asked_instruments.provider
            and requests.symbol = asked_instruments._symbol
            and requests.timeframe = asked_instruments.timeframe
),

marked as (
    select
        *,
        start_at > max(end_at) over (
            partition by provider, instrument_id, timeframe
            order by start_at, end_at
            rows between unbounded preceding and 1 preceding
        ) as is_after_gap
    from covered
),

numbered as (
    select
        *,
        count(*) filter (where is_after_gap) over (
            partition by provider, instrument_id, timeframe
            order by start_at, end_at
            rows between unbounded preceding and current row
        ) as range_number
    from marked
),

final as (
    select
        provider,
        instrument_id,
        timeframe,
        min(start_at) as start_at,
        max(end_at) as end_at
    from numbered
    group by provider, instrument_id, timeframe, range_number
)

select * from final
order by provider, instrument_id, timeframe, start_at
