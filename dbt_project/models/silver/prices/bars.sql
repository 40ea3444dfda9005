{{ config(materialized='incremental', tags=['bars_family']) }}

with versions as (
    select versions.* from {{ ref('bar_versions') }} as versions
    {{ touched_only('versions') }}
    where versions.is_current
),

derived as (
    select derived.* from {{ ref('int_bars__derived') }} as derived
    {{ touched_only('derived') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'bars'
),

candidates as (
    select
        *,
        false as is_derived
    from versions
    union all by name
    select
        *,
        true as is_derived,
        true as is_final
    from derived
),

contested as (
    select
        instrument_id,
        timeframe,
        bar_start_at
    from candidates
    group by all
    having count(*) > 1
),

uncontested_bars as (
    select candidates.*
    from candidates
    anti join contested
        on
            candidates.instrument_id = contested.instrument_id
            and candidates.timeframe = contested.timeframe
            and candidates.bar_start_at = contested.bar_start_at
),

decided_bars as (
    select candidates.*
    from candidates
    semi join contested
        on
            candidates.instrument_id = contested.instrument_id
            and candidates.timeframe = contested.timeframe
            and candidates.bar_start_at = contested.bar_start_at
    inner join precedence
        on
            candidates.provider = precedence.provider
            and candidates.asset_class = precedence.asset_class
    qualify
        row_number() over (
            partition by candidates.instrument_id, candidates.timeframe, candidates.bar_start_at
            order by
                candidates.is_final desc,
                precedence.precedence asc,
                candidates.is_derived asc,
                candidates._fetched_at desc,
                candidates._batch_id desc,
                candidates._row desc
        ) = 1
),

decided as (
    select * from uncontested_bars
    union all
    select * from decided_bars
),

final as (
    select
        instrument_id,
        asset_class,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        open,
        high,
        low,
        close,
        volume,
        adj_close,
        vwap,
        trade_count,
        provider,
        is_final,
        is_derived,
        source_timeframe,
        available_at,
        _batch_id,
        _row
    from decided
)

select * from final
