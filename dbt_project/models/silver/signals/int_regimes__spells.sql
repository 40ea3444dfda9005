{{ config(materialized='by_series', complete_at='regime_ended_at') }}
{%- set resumes = resumes_series() %}
{#- Beyond this times the price before it, it is no return but another price. -#}
{%- set largest_return = '1e4' -%}
{%- set known_for = 'interval ' ~ var('regime_known_for_days') ~ ' day' %}

with restarts as (
    select * from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
),

-- The bar that ended a series' last spell to be kept is the first of the spells to compute.
series as (
    select
        restarts.series_no,
        restarts.instrument_id,
        restarts.timeframe,
        {% if resumes %}
        coalesce(max(stored.regime_ended_at), timestamp '-infinity') as input_from_end_at
        {% else %}
        timestamp '-infinity' as input_from_end_at
        {% endif %}
    from restarts
    {% if resumes %}
    left join {{ this }} as stored
        on
            restarts.instrument_id = stored.instrument_id
            and restarts.timeframe = stored.timeframe
            and restarts.restart_at >= stored.regime_ended_at
    group by restarts.series_no, restarts.instrument_id, restarts.timeframe
    {% endif %}
),

bars as (
    select
        series.series_no,
        enriched.instrument_id,
        enriched.asset_class,
        enriched.timeframe,
        enriched.bar_start_at,
        enriched.bar_end_at,
        enriched.regime,
        enriched.regime_started_at,
        enriched.bars_in_regime,
        enriched.bars_in_regime - 1 as earlier_bars,
        enriched.close * enriched.split_factor as forward_close
    from {{ ref('market_data_enriched') }} as enriched
    inner join series
        on
            enriched.instrument_id = series.instrument_id
            and enriched.timeframe = series.timeframe
            and enriched.bar_end_at >= series.input_from_end_at
    where enriched.regime is not null
),

-- What a bar's regime is followed by: it is known at the bar's end, the return comes after it.
-- A spell's first bar is the first of its frame: one window, sorted once, serves all.
followed as (
    select
        *,
        lead(forward_close) over series_bars as next_close,
        lead(bar_end_at) over series_bars as next_bar_end_at,
        lag(bar_end_at) over series_bars as earlier_bar_end_at,
        lead(bars_in_regime, 1, 1) over series_bars = 1 as is_last_of_spell,
        max(forward_close) over (
            series_bars rows between earlier_bars preceding and current row
        ) as highest_close
    from bars
    window series_bars as (partition by series_no order by bar_start_at)
),

measured as (
    select
        *,
        case
            when next_close / forward_close - 1 < {{ largest_return }}
                then next_close / forward_close - 1
        end as bar_return,
        next_close / greatest(next_close, highest_close) - 1 as drawdown
    from followed
),

spells as (
    select
        series_no,
        instrument_id,
        asset_class,
        timeframe,
        regime,
        regime_started_at,
        min(bar_end_at) as first_bar_end_at,
        max(bar_end_at) as last_bar_end_at,
        list(bar_end_at) filter (
            where bars_in_regime = 1 or bar_end_at > earlier_bar_end_at + {{ known_for }}
        ) as known_from,
        list(least(next_bar_end_at, bar_end_at + {{ known_for }})) filter (
            where is_last_of_spell or next_bar_end_at > bar_end_at + {{ known_for }}
        ) as known_to,
        count(*) as bar_count,
        count(bar_return) as return_count,
        count(*) filter (where bar_return > 0) as positive_return_count,
        sum({{ exact_fraction('bar_return') }}) as return_sum,
        sum({{ exact_fraction('bar_return * bar_return') }}) as return_square_sum,
        sum({{ exact_fraction('ln(1 + bar_return)') }}) as log_return_sum,
        min(drawdown) as max_drawdown,
        max(forward_close) as highest_close,
        min(next_close) as lowest_next_close
    from measured
    group by series_no, instrument_id, asset_class, timeframe, regime, regime_started_at
),

final as (
    select
        instrument_id,
        asset_class,
        timeframe,
        regime,
        regime_started_at,
        lead(first_bar_end_at) over series_spells as regime_ended_at,
        lead(regime) over series_spells as next_regime,
        last_bar_end_at,
        list_sort(known_from) as known_from,
        list_sort(known_to) as known_to,
        bar_count,
        return_count,
        positive_return_count,
        return_sum,
        return_square_sum,
        log_return_sum,
        max_drawdown,
        highest_close,
        lowest_next_close
    from spells
    window series_spells as (partition by series_no order by regime_started_at)
)

select * from final
