with requests as (
    select * from {{ ref('load_requests') }}
    where dataset = 'bars' and covered_until > start_at
),

series as (
    select * from {{ ref('int_bars__series') }}
),

symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

-- An instrument may have been asked for under several symbols, each of which was its own for a
-- time: what was answered of other times was of another one. Canonical symbols are in no map.
asked_instruments as (
    select distinct
        series.provider,
        series._symbol,
        series.asset_class,
        series.timeframe,
        series.instrument_id,
        coalesce(symbol_map.valid_from, timestamp '0001-01-01') as valid_from,
        coalesce(symbol_map.valid_to, timestamp '9999-12-31') as valid_to
    from series
    left join symbol_map
        on
            series.provider = symbol_map.provider
            and series.provider_symbol = symbol_map.provider_symbol
            and series.asset_class = symbol_map.asset_class
            and series.instrument_id = symbol_map.instrument_id
),

covered as (
    select
        requests.provider,
        asked_instruments.instrument_id,
        requests.timeframe,
        greatest(requests.start_at, asked_instruments.valid_from) as start_at,
        least(requests.covered_until, asked_instruments.valid_to) as end_at
    from requests
    inner join asked_instruments
        on
            requests.provider = asked_instruments.provider
            and requests.symbol = asked_instruments._symbol
            and requests.timeframe = asked_instruments.timeframe
            and coalesce(requests.asset_class, asked_instruments.asset_class)
            = asked_instruments.asset_class
            and requests.start_at < asked_instruments.valid_to
            and requests.covered_until > asked_instruments.valid_from
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
