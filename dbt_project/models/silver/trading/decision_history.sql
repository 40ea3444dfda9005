{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_decisions__changed', changed_key='decision_id'
) }}
{%- set timeframes = ['1m', '5m', '15m', '1h', '4h', '1d'] -%}
{%- set context = [
    'bar_start_at', 'bar_end_at', 'close', 'split_factor', 'rsi_14', 'macd_histogram_12_26_9',
    'sma_20', 'sma_50', 'sma_200', 'atr_14', 'adx_14', 'bollinger_percent_b_20_2',
    'realized_volatility_20', 'regime', 'volatility_percentile',
] %}

with decisions as (
    select decisions.* from {{ ref('int_decisions__told') }} as decisions
    {{ changed_only('decisions', 'int_decisions__changed', 'decision_id') }}
),

observed as not materialized (
    select * from {{ ref('int_signals__observed') }}
),

sentiment_scores as (
    select * from {{ ref('sentiment_scores') }}
    where instrument_id is not null
),

late_splits as (
    select * from {{ ref('int_decisions__late_splits') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select
        calendar,
        open_at,
        lag(session_date, 1, session_date) over (
            partition by calendar order by session_date
        ) as previous_session_date
    from {{ ref('int_calendar__sessions') }}
),

dated as (
    select
        decisions.*,
        asset_classes.calendar
    from decisions
    inner join asset_classes on decisions.asset_class = asset_classes.asset_class
),

-- The session that opened last, and the one before it.
in_sessions as (
    select
        dated.*,
        sessions.previous_session_date
    from dated
    asof left join sessions
        on
            dated.calendar = sessions.calendar
            and dated.decided_at >= sessions.open_at
),

-- The last bar known of each timeframe; one of a session before the last is no news.
timeframe_views as (
    select
        in_sessions.decision_id,
        observed.timeframe,
        observed.direction,
        observed.regime,
        observed.available_at,
        observed.session_date,
        observed.is_restated
    from in_sessions
    inner join observed
        on
            in_sessions.instrument_id = observed.instrument_id
            and in_sessions.decided_at = observed.observed_at
            and in_sessions.previous_session_date <= observed.session_date
),

across_timeframes as (
    select
        decision_id,
        {% for timeframe in timeframes %}
        max(direction) filter (where timeframe = '{{ timeframe }}') as direction_{{ timeframe }},
        max(regime) filter (where timeframe = '{{ timeframe }}') as regime_{{ timeframe }},
        {% endfor %}
        max(available_at) as available_at,
        max(session_date) as last_session_date,
        bool_or(is_restated) as is_restated
    from timeframe_views
    group by decision_id
),

-- Day by day, so that a decision meets only what was said around it.
sentiment_days as (
    select
        decision_id,
        instrument_id,
        decided_at,
        unnest(generate_series(
            date_trunc('day', decided_at - interval {{ var('sentiment_window_days') }} day),
            date_trunc('day', decided_at),
            interval 1 day
        )) as day_start_at
    from decisions
),

-- What had been said and not been changed by then; every article and post counts the same.
sentiment as (
    select
        sentiment_days.decision_id,
        cast(sum({{ exact('sentiment_scores.score') }}) as double) / count(*) as score,
        count(*) as document_count,
        max(sentiment_scores.available_at) as available_at
    from sentiment_days
    inner join sentiment_scores
        on
            sentiment_days.instrument_id = sentiment_scores.instrument_id
            and sentiment_days.day_start_at = date_trunc('day', sentiment_scores.available_at)
            and sentiment_days.decided_at >= sentiment_scores.available_at
            and sentiment_days.decided_at
            < sentiment_scores.available_at + interval {{ var('sentiment_window_days') }} day
            and sentiment_days.decided_at
            < coalesce(sentiment_scores.superseded_at, timestamp '9999-12-31')
    group by sentiment_days.decision_id
),

-- A split changes all that is seen of the bars after it.
seen_until as (
    select
        decisions.decision_id,
        decisions.instrument_id,
        decisions.decided_at,
        greatest(observed.session_date, across_timeframes.last_session_date) as session_date
    from decisions
    left join observed
        on
            decisions.instrument_id = observed.instrument_id
            and decisions.timeframe = observed.timeframe
            and decisions.decided_at = observed.observed_at
    left join across_timeframes on decisions.decision_id = across_timeframes.decision_id
),

seen_with_late_splits as (
    select distinct seen_until.decision_id
    from seen_until
    inner join late_splits
        on
            seen_until.instrument_id = late_splits.instrument_id
            and seen_until.session_date >= late_splits.ex_date
            and seen_until.decided_at < late_splits.told_at
),

with_context as (
    select
        decisions.*,
        {% for column in context %}
        observed.{{ column }},
        {% endfor %}
        {% for timeframe in timeframes %}
        across_timeframes.direction_{{ timeframe }},
        across_timeframes.regime_{{ timeframe }},
        {% endfor %}
        [
            {% for timeframe in timeframes %}
            across_timeframes.direction_{{ timeframe }}{{ ',' if not loop.last }}
            {% endfor %}
        ] as directions,
        sentiment.score as sentiment_score,
        coalesce(sentiment.document_count, 0) as sentiment_document_count,
        sentiment.available_at as sentiment_at,
        greatest(observed.available_at, across_timeframes.available_at, sentiment.available_at)
            as context_available_at,
        coalesce(observed.is_restated, false)
        or coalesce(across_timeframes.is_restated, false)
        or seen_with_late_splits.decision_id is not null as is_restated_context
    from decisions
    left join observed
        on
            decisions.instrument_id = observed.instrument_id
            and decisions.timeframe = observed.timeframe
            and decisions.decided_at = observed.observed_at
    left join across_timeframes on decisions.decision_id = across_timeframes.decision_id
    left join sentiment on decisions.decision_id = sentiment.decision_id
    left join seen_with_late_splits
        on decisions.decision_id = seen_with_late_splits.decision_id
),

final as (
    select
        decision_id,
        account_id,
        strategy,
        instrument_id,
        asset_class,
        symbol,
        timeframe,
        action,
        confidence,
        position_size,
        method,
        provider_votes,
        reasoning,
        decided_at,
        {% for column in context %}
        {{ column }},
        {% endfor %}
        {% for timeframe in timeframes %}
        direction_{{ timeframe }},
        regime_{{ timeframe }},
        {% endfor %}
        {{ confluence('directions') }},
        sentiment_score,
        sentiment_document_count,
        sentiment_at,
        context_available_at,
        is_restated_context,
        _fetched_at,
        _batch_id,
        _row
    from with_context
)

select * from final
order by decided_at, decision_id
