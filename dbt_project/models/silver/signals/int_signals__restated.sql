{{ config(materialized='by_series', schema='staging', restarts='int_signals__restated_series') }}
{#- Few bars more than are needed, so that series meet bars by number. -#}
{%- set block = 512 %}

with recursive restarts as (
    select * from {{ ref('int_signals__restated_series') }} as restarts
    where {{ this_batch('restarts') }}
),

observations as (
    select distinct
        instrument_id,
        timeframe,
        known_until,
        bar_start_at
    from {{ ref('int_signals__observations') }}
    where known_until is not null
),

enriched as (
    select enriched.*
    from {{ ref('market_data_enriched') }} as enriched
    semi join restarts
        on
            enriched.instrument_id = restarts.instrument_id
            and enriched.timeframe = restarts.timeframe
),

known as (
    select * from {{ ref('int_bars__known') }}
),

split_factors as (
    select * from {{ ref('int_bars__split_factors') }}
),

indicators as not materialized (
    select * from {{ ref('indicators') }}
),

-- Every bar as it is and as it was, by its number among those there are.
told_bars as (
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
        is_derived,
        bar_available_at as known_from,
        timestamp '9999-12-31' as known_to,
        bar_no
    from enriched
    union all by name
    select
        known.*,
        enriched.bar_no
    from known
    inner join enriched
        on
            known.instrument_id = enriched.instrument_id
            and known.timeframe = enriched.timeframe
            and known.bar_start_at = enriched.bar_start_at
    where known.known_to < timestamp '9999-12-31'
),

series_blocks as (
    select
        *,
        unnest(range(input_from_bar_no // {{ block }}, last_bar_no // {{ block }} + 1)) as block_no
    from restarts
),

-- As told just before the next correction.
series_bars as (
    select
        series_blocks.series_no,
        series_blocks.known_until,
        series_blocks.restart_at,
        series_blocks.resume_at,
        series_blocks.resume_bar_no,
        series_blocks.input_from_bar_no,
        coalesce(series_blocks.resume_bar_no + 1, 0) as first_bar_no,
        told_bars.* exclude (bar_no, known_to, known_from),  -- noqa: RF02
        told_bars.known_from as available_at,
        split_factors.split_factor
    from series_blocks
    inner join told_bars
        on
            series_blocks.instrument_id = told_bars.instrument_id
            and series_blocks.timeframe = told_bars.timeframe
            and series_blocks.block_no = told_bars.bar_no // {{ block }}
            and series_blocks.input_from_bar_no <= told_bars.bar_no
            and series_blocks.last_bar_no >= told_bars.bar_no
            and series_blocks.known_until > told_bars.known_from
            and series_blocks.known_until <= told_bars.known_to
    inner join split_factors
        on
            told_bars.instrument_id = split_factors.instrument_id
            and told_bars.session_date >= split_factors.valid_from
            and told_bars.session_date < split_factors.valid_to
),

-- What was told before may have lacked a volume.
{{ indicator_rows('series_bars', 'series_no, volume is null', stored=ref('indicators')) }},

signal_bars as (
    select
        indicator_rows.*,
        series_bars.restart_at,
        series_bars.resume_bar_no,
        series_bars.close
    from indicator_rows
    inner join series_bars
        on
            indicator_rows.series_no = series_bars.series_no
            and indicator_rows.bar_start_at = series_bars.bar_start_at
    union all by name
    select
        series_bars.series_no,
        series_bars.restart_at,
        series_bars.resume_bar_no,
        series_bars.close,
        indicators.*
    from series_bars
    inner join indicators
        on
            series_bars.instrument_id = indicators.instrument_id
            and series_bars.timeframe = indicators.timeframe
            and series_bars.bar_start_at = indicators.bar_start_at
    where series_bars.bar_start_at <= series_bars.resume_at
),

{{ regime_rows('signal_bars', stored=ref('market_regimes')) }},

final as (
    select
        series_bars.instrument_id,
        series_bars.asset_class,
        series_bars.timeframe,
        series_bars.known_until,
        series_bars.bar_start_at,
        series_bars.bar_end_at,
        series_bars.session_date,
        series_bars.open,
        series_bars.high,
        series_bars.low,
        series_bars.close,
        series_bars.volume,
        series_bars.adj_close,
        series_bars.vwap,
        series_bars.trade_count,
        series_bars.provider,
        series_bars.is_derived,
        series_bars.available_at as bar_available_at,
        -- Names in an `exclude` cannot be qualified.
        indicator_rows.* exclude (
            series_no, instrument_id, timeframe,  -- noqa: RF02
            bar_start_at, bar_end_at, session_date,  -- noqa: RF02
            _average_move_14, _true_range_sum_14, _session_volume  -- noqa: RF02
        ),
        regime_rows.regime,
        regime_rows.regime_started_at,
        regime_rows.bars_in_regime,
        regime_rows.volatility_percentile
    from series_bars
    semi join observations
        on
            series_bars.instrument_id = observations.instrument_id
            and series_bars.timeframe = observations.timeframe
            and series_bars.known_until = observations.known_until
            and series_bars.bar_start_at = observations.bar_start_at
    inner join indicator_rows
        on
            series_bars.series_no = indicator_rows.series_no
            and series_bars.bar_start_at = indicator_rows.bar_start_at
    inner join regime_rows
        on
            series_bars.series_no = regime_rows.series_no
            and series_bars.bar_start_at = regime_rows.bar_start_at
)

select * from final
