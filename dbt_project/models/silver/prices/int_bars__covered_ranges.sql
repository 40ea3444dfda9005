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

answered as (
    select
        requests.provider,
        asked_instruments.instrument_id,
        requests.timeframe,
        requests.fetched_at,
        case
            when
                requests.record_count = 0
                and requests.dead_letter_count = 0
                and requests.confirms_batch_id is null
                then requests.recheck_empty_after_seconds
        end as recheck_after_seconds,
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

-- Vendors that have been seen to answer with nothing where they have something are believed when
-- they say so again, after their wait. So they are when what to ask is decided, but for young
-- answers, which only mean that it is too early to ask again.
doubted as (
    select * from answered
    where recheck_after_seconds is not null
),

doubted_edges as (
    select
        provider,
        instrument_id,
        timeframe,
        start_at as edge_at
    from doubted
    union
    select
        provider,
        instrument_id,
        timeframe,
        end_at as edge_at
    from doubted
),

edges as (
    select
        *,
        row_number() over series as number,
        lead(edge_at) over series as next_edge_at
    from doubted_edges
    window series as (partition by provider, instrument_id, timeframe order by edge_at)
),

-- Each doubted answer, cut at the edges of the others.
pieces as (
    select
        doubted.provider,
        doubted.instrument_id,
        doubted.timeframe,
        doubted.fetched_at,
        doubted.recheck_after_seconds,
        unnest(range(first_edge.number, last_edge.number)) as number
    from doubted
    inner join edges as first_edge
        on
            doubted.provider = first_edge.provider
            and doubted.instrument_id = first_edge.instrument_id
            and doubted.timeframe = first_edge.timeframe
            and doubted.start_at = first_edge.edge_at
    inner join edges as last_edge
        on
            doubted.provider = last_edge.provider
            and doubted.instrument_id = last_edge.instrument_id
            and doubted.timeframe = last_edge.timeframe
            and doubted.end_at = last_edge.edge_at
),

repeated as (
    select
        provider,
        instrument_id,
        timeframe,
        number
    from pieces
    group by all
    having max(fetched_at) - min(fetched_at) >= to_seconds(max(recheck_after_seconds))
),

covered as (
    select
        provider,
        instrument_id,
        timeframe,
        start_at,
        end_at
    from answered
    where recheck_after_seconds is null
    union all
    select
        edges.provider,
        edges.instrument_id,
        edges.timeframe,
        edges.edge_at as start_at,
        edges.next_edge_at as end_at
    from edges
    semi join repeated
        on
            edges.provider = repeated.provider
            and edges.instrument_id = repeated.instrument_id
            and edges.timeframe = repeated.timeframe
            and edges.number = repeated.number
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
