{{ config(materialized='by_series') }}
{%- set low_rsi, high_rsi = var('event_rsi_levels') -%}
{%- set low_stochastic, high_stochastic = var('event_stochastic_levels') -%}
{#- Each watch is a value that crosses a level: name, value, level, what rounding is measured by,
    and the events of crossing it upwards and downwards, if they are any. -#}
{%- set watches = [
    ('sma_50_200', 'sma_50', 'sma_200', 'close', 'golden_cross', 'death_cross'),
    ('macd_signal', 'macd_12_26_9', 'macd_signal_12_26_9', 'close',
        'macd_above_signal', 'macd_below_signal'),
    ('macd_zero', 'macd_12_26_9', '0.0e0', 'close', 'macd_above_zero', 'macd_below_zero'),
    ('rsi_high', 'rsi_14', high_rsi, '100', 'rsi_overbought', none),
    ('rsi_low', 'rsi_14', low_rsi, '100', none, 'rsi_oversold'),
    ('stochastic_high', 'stochastic_k_14_3_3', high_stochastic, '100',
        'stochastic_overbought', none),
    ('stochastic_low', 'stochastic_k_14_3_3', low_stochastic, '100', none, 'stochastic_oversold'),
    ('bollinger_upper', 'close', 'bollinger_upper_20_2', 'close', 'bollinger_break_up', none),
    ('bollinger_lower', 'close', 'bollinger_lower_20_2', 'close', none, 'bollinger_break_down'),
    ('keltner_upper', 'close', 'keltner_upper_20_2', 'close', 'keltner_break_up', none),
    ('keltner_lower', 'close', 'keltner_lower_20_2', 'close', none, 'keltner_break_down'),
    ('donchian_upper', 'close', 'earlier_donchian_upper', 'close', 'donchian_break_up', none),
    ('donchian_lower', 'close', 'earlier_donchian_lower', 'close', none, 'donchian_break_down'),
] -%}

with restarts as (
    select * from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
),

enriched as (
    select
        restarts.series_no,
        restarts.restart_at,
        enriched.*,
        enriched.donchian_upper_20 * enriched.split_factor as donchian_upper,
        enriched.donchian_lower_20 * enriched.split_factor as donchian_lower
    from {{ ref('market_data_enriched') }} as enriched
    inner join restarts
        on
            enriched.instrument_id = restarts.instrument_id
            and enriched.timeframe = restarts.timeframe
            and enriched.bar_start_at >= restarts.input_from_at
),

-- A channel is broken when the close leaves the one that ended with the bar before.
with_channels as (
    select
        *,
        lag(donchian_upper) over series / split_factor as earlier_donchian_upper,
        lag(donchian_lower) over series / split_factor as earlier_donchian_lower,
        lag(regime) over series as earlier_regime
    from enriched
    window series as (partition by series_no order by bar_no)
),

sides as (
    select
        {% for name, value, level, scale, up, down in watches %}
        {{ side_of(value, level, scale) }} as {{ name }}_side,
        {% endfor %}
        *
    from with_channels
),

crossings as (
    select
        {% for name, value, level, scale, up, down in watches %}
        {{ last_side(name ~ '_side', 'before') }} as {{ name }}_before,
        {% endfor %}
        *
    from sides
    window before as (
        partition by series_no order by bar_no rows between 250 preceding and 1 preceding
    )
),

-- A list per bar, of NULL for each event that did not happen.
events as (
    select
        *,
        [
            {% for name, value, level, scale, up, down in watches %}
            {{ crossing(name, value, level, up, down) }},
            {% endfor %}
            {{ regime_change('regime', 'earlier_regime') }}
        ] as candidates
    from crossings
    where bar_start_at >= restart_at
),

happened as (
    select
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        available_at,
        regime,
        unnest(list_filter(candidates, lambda one: one is not null)) as signal
    from events
),

final as (
    select
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        available_at,
        signal.event_name as event,
        signal.event_direction as direction,
        signal.event_value as value,
        signal.event_level as level,
        regime
    from happened
)

select * from final
