{{ config(materialized='by_series') }}

with restarts as (
    select * from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
),

bars as (
    select * from {{ ref('bars') }}
    where is_final
),

-- What the indicators' own next build resumes from stays with them.
indicators as (
    select * exclude (_average_move_14, _true_range_sum_14, _session_volume)
    from {{ ref('indicators') }}
),

market_regimes as (
    select * from {{ ref('market_regimes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

joined as (
    select
        bars.instrument_id,
        bars.asset_class,
        bars.timeframe,
        bars.bar_start_at,
        bars.bar_end_at,
        bars.session_date,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.adj_close,
        bars.vwap,
        bars.trade_count,
        bars.provider,
        bars.is_derived,
        bars.available_at as bar_available_at,
        -- Names in an `exclude` cannot be qualified.
        indicators.* exclude (
            instrument_id, timeframe, bar_start_at, bar_end_at, session_date  -- noqa: RF02
        ),
        market_regimes.regime,
        market_regimes.regime_started_at,
        market_regimes.bars_in_regime,
        market_regimes.volatility_percentile
    from restarts
    inner join bars
        on
            restarts.instrument_id = bars.instrument_id
            and restarts.timeframe = bars.timeframe
            and restarts.restart_at <= bars.bar_start_at
    inner join indicators
        on
            bars.instrument_id = indicators.instrument_id
            and bars.timeframe = indicators.timeframe
            and bars.bar_start_at = indicators.bar_start_at
    inner join market_regimes
        on
            bars.instrument_id = market_regimes.instrument_id
            and bars.timeframe = market_regimes.timeframe
            and bars.bar_start_at = market_regimes.bar_start_at
),

-- In slices of time, and in each of them instrument by instrument, newest first: the last bars of
-- one, and any span of its time, are then few rows of few row groups.
final as (
    select joined.*
    from joined
    inner join timeframes on joined.timeframe = timeframes.timeframe
    order by
        joined.timeframe,
        {{ time_slice('joined.bar_start_at', '256 * timeframes.seconds') }} desc,
        joined.instrument_id,
        joined.bar_start_at desc
)

select * from final
