{% macro indicator_rows(bars, with_volume, stored=none) %}
    {#-
        Common table expressions, the last of which is `indicator_rows`: the rows of `indicators`, and
        the `series_no` they are of. To be placed in a `with recursive` after the CTE `restarts`, of the
        columns of `int_signals__restarts`; several series may be of one instrument and timeframe.

        bars         a relation of series_no, input_from_bar_no, first_bar_no (whose row is to be
                     computed first), bar_start_at, bar_end_at, session_date, available_at, high, low,
                     close and volume as traded, split_factor
        with_volume  what windows of bars with a volume are partitioned by
        stored       the table whose rows the series go on from; none, where all begin anew
    -#}
    {%- set states = [
        ema('ema_12', 'close', 12),
        ema('ema_20', 'close', 20),
        ema('ema_26', 'close', 26),
        ema('ema_200', 'close', 200),
        ema('macd_fast', 'close', 12, seed_from=14),
        wilder_average('average_gain', 'gain', 14),
        wilder_average('average_loss', 'loss', 14),
        wilder_average('atr_14', 'true_range', 14),
        wilder_average('atr_20', 'true_range', 20),
        wilder_sum('true_range_sum', 'true_range', 14),
        wilder_sum('plus_movement_sum', 'plus_movement', 14),
        wilder_sum('minus_movement_sum', 'minus_movement', 14),
        running_sum('obv', 'signed_volume'),
        running_sum('session_turnover', 'turnover', since='session_date'),
        running_sum('session_volume', 'traded_volume', since='session_date'),
        running_max('known_at', 'available_at'),
    ] -%}
    {%- set dependent_states = [
        ema('macd_signal', 'macd_fast - ema_26', 9, seed_from=25),
        wilder_average(
            'adx', directional_index('plus_movement_sum', 'minus_movement_sum'), 14, seed_from=14
        ),
    ] -%}
-- On the forward split-adjusted series: a later split changes no earlier number.
inputs as (
    select
        series_no,
        input_from_bar_no,
        first_bar_no,
        bar_start_at,
        bar_end_at,
        session_date,
        available_at,
        split_factor,
        high * split_factor as high,
        low * split_factor as low,
        close * split_factor as close,
        case when isfinite(volume) then volume / split_factor end as volume
    from {{ bars }}
),

priced as (
    select
        *,
        (high + low + close) / 3 as typical_price
    from inputs
),

numbered as (
    select
        *,
        input_from_bar_no + row_number() over series - 1 as bar_no,
        case
            when volume is not null
                then row_number() over (partition by {{ with_volume }} order by bar_start_at) - 1
        end as volume_bar_no,
        lag(high) over series as previous_high,
        lag(low) over series as previous_low,
        lag(close) over series as previous_close,
        lag(close) over (partition by {{ with_volume }} order by bar_start_at)
            as previous_traded_close,
        lag(typical_price) over (partition by {{ with_volume }} order by bar_start_at)
            as previous_traded_price,
        {{ donchian('max', 'high', 14, order_by='bar_start_at') | indent(8) }} as highest_14,
        {{ donchian('min', 'low', 14, order_by='bar_start_at') | indent(8) }} as lowest_14,
        {{ bars_since_extreme(
            'high', donchian('max', 'high', 14, order_by='bar_start_at'), '>=', 14,
            order_by='bar_start_at'
        ) | indent(8) }} as bars_since_high,
        {{ bars_since_extreme(
            'low', donchian('min', 'low', 14, order_by='bar_start_at'), '<=', 14,
            order_by='bar_start_at'
        ) | indent(8) }} as bars_since_low
    from priced
    window series as (partition by series_no order by bar_start_at)
),

valued as (
    select
        *,
        bar_no - first_bar_no as place,
        greatest(close - previous_close, 0.0e0) as gain,
        greatest(previous_close - close, 0.0e0) as loss,
        {{ true_range('high', 'low', 'previous_close') }} as true_range,
        {{ plus_movement('high', 'previous_high', 'low', 'previous_low') | indent(8) }}
            as plus_movement,
        {{ minus_movement('high', 'previous_high', 'low', 'previous_low') | indent(8) }}
            as minus_movement,
        {{ signed_volume('close', 'previous_traded_close', 'volume') | indent(8) }}
            as signed_volume,
        coalesce(typical_price * volume, 0.0e0) as turnover,
        coalesce(volume, 0.0e0) as traded_volume,
        {{ change('typical_price', 'previous_traded_price') | indent(8) }} as typical_change,
        {{ stochastic_fast_k('close', 'highest_14', 'lowest_14') }} as fast_k_14,
        ln(close / previous_close) as log_return
    from numbered
),

{% if stored %}
resumed as (
    select
        restarts.series_no,
        stored.ema_12 * stored.split_factor as ema_12,
        (stored.keltner_upper_20_2 + stored.keltner_lower_20_2) / 2 * stored.split_factor as ema_20,
        stored.ema_26 * stored.split_factor as ema_26,
        stored.ema_200 * stored.split_factor as ema_200,
        (stored.macd_12_26_9 + stored.ema_26) * stored.split_factor as macd_fast,
        stored.macd_signal_12_26_9 * stored.split_factor as macd_signal,
        stored.rsi_14 / 100 * stored._average_move_14 as average_gain,
        (1 - stored.rsi_14 / 100) * stored._average_move_14 as average_loss,
        stored.atr_14 * stored.split_factor as atr_14,
        (stored.keltner_upper_20_2 - stored.keltner_lower_20_2) / 4 * stored.split_factor as atr_20,
        stored._true_range_sum_14 as true_range_sum,
        stored.plus_di_14 / 100 * stored._true_range_sum_14 as plus_movement_sum,
        stored.minus_di_14 / 100 * stored._true_range_sum_14 as minus_movement_sum,
        stored.adx_14 as adx,
        stored.obv / stored.split_factor as obv,
        stored.vwap_session * stored.split_factor * stored._session_volume as session_turnover,
        stored._session_volume as session_volume,
        stored.session_date,
        stored.available_at as known_at
    from {{ stored }} as stored
    inner join restarts
        on
            stored.instrument_id = restarts.instrument_id
            and stored.timeframe = restarts.timeframe
            and stored.bar_no = restarts.resume_bar_no
),
{% endif %}

{{ running_states('valued', states, dependent_states, resumed='resumed' if stored else none) }},

rolled as (
    select
        *,
        {{ sma('close', 20) }} as sma_20,
        {{ sma('close', 50) }} as sma_50,
        {{ sma('close', 200) }} as sma_200,
        {{ bollinger_deviation('close', 20) }} as deviation_20,
        {{ stochastic_k('fast_k_14', 14) }} as stochastic_k,
        {{ stochastic_d('fast_k_14', 14) }} as stochastic_d,
        {{ williams_r('close', 'highest_14', 'lowest_14', 14) }} as williams_r_14,
        {{ cci('typical_price', 20) }} as cci_20,
        {{ mfi(
            'typical_price', 'typical_change', 'volume', 14, with_volume, bar_no='volume_bar_no'
        ) }} as mfi_14,
        {{ vwap('typical_price', 'volume', 20, with_volume, bar_no='volume_bar_no') }} as vwap_20,
        {{ momentum('close', 10) }} as momentum_10,
        {{ roc('close', 10) }} as roc_10,
        {{ donchian_widened('max', 'highest_14', 14, 20) }} as highest_20,
        {{ donchian_widened('min', 'lowest_14', 14, 20) }} as lowest_20,
        {{ aroon('highest_14', '>=', 'bars_since_high', 14, 25) }} as aroon_up_25,
        {{ aroon('lowest_14', '<=', 'bars_since_low', 14, 25) }} as aroon_down_25,
        {{ realized_volatility('log_return', 20) }} as realized_volatility_20
    from valued
),

remembering as (
    select
        rolled.*,
        -- Names in an `exclude` cannot be qualified.
        states.* exclude (series_no, place),  -- noqa: RF02
        restarts.instrument_id,
        restarts.timeframe,
        restarts.restart_at,
        restarts.bars_per_year,
        {{ from_bar(33, 'states.macd_fast - states.ema_26', 'rolled.bar_no') }} as macd,
        {{ from_bar(33, 'states.macd_signal', 'rolled.bar_no') }} as signal,
        {{ from_bar(19, 'states.ema_20', 'rolled.bar_no') }} as keltner_middle,
        {{ from_bar(20, 'states.atr_20', 'rolled.bar_no') }} as keltner_range
    from rolled
    inner join states on rolled.series_no = states.series_no and rolled.place = states.place
    inner join restarts on rolled.series_no = restarts.series_no
),

-- Prices and volumes in the share units of the bar's own day.
indicator_rows as (
    select
        series_no,
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        known_at as available_at,
        bar_no,
        sma_20 / split_factor as sma_20,
        sma_50 / split_factor as sma_50,
        sma_200 / split_factor as sma_200,
        {{ from_bar(11, 'ema_12 / split_factor') }} as ema_12,
        {{ from_bar(25, 'ema_26 / split_factor') }} as ema_26,
        {{ from_bar(199, 'ema_200 / split_factor') }} as ema_200,
        macd / split_factor as macd_12_26_9,
        signal / split_factor as macd_signal_12_26_9,
        (macd - signal) / split_factor as macd_histogram_12_26_9,
        {{ rsi('average_gain', 'average_loss', 14) }} as rsi_14,
        (sma_20 + 2 * deviation_20) / split_factor as bollinger_upper_20_2,
        sma_20 / split_factor as bollinger_middle_20_2,
        (sma_20 - 2 * deviation_20) / split_factor as bollinger_lower_20_2,
        (close - sma_20 + 2 * deviation_20) / nullif(4 * deviation_20, 0)
            as bollinger_percent_b_20_2,
        4 * deviation_20 / sma_20 as bollinger_bandwidth_20_2,
        {{ from_bar(14, 'atr_14 / split_factor') }} as atr_14,
        {{ from_bar(27, 'adx') }} as adx_14,
        {{ directional_indicator('plus_movement_sum', 'true_range_sum', 14) }} as plus_di_14,
        {{ directional_indicator('minus_movement_sum', 'true_range_sum', 14) }} as minus_di_14,
        stochastic_k as stochastic_k_14_3_3,
        stochastic_d as stochastic_d_14_3_3,
        williams_r_14,
        cci_20,
        mfi_14,
        case when volume is not null then obv * split_factor end as obv,
        vwap_20 / split_factor as vwap_20,
        session_turnover / nullif(session_volume, 0) / split_factor as vwap_session,
        momentum_10 / split_factor as momentum_10,
        roc_10,
        (keltner_middle + 2 * keltner_range) / split_factor as keltner_upper_20_2,
        (keltner_middle - 2 * keltner_range) / split_factor as keltner_lower_20_2,
        {{ from_bar(19, 'highest_20 / split_factor') }} as donchian_upper_20,
        {{ from_bar(19, 'lowest_20 / split_factor') }} as donchian_lower_20,
        aroon_up_25,
        aroon_down_25,
        realized_volatility_20 * sqrt(bars_per_year) as realized_volatility_20,
        split_factor,
        average_gain + average_loss as _average_move_14,
        true_range_sum as _true_range_sum_14,
        session_volume as _session_volume
    from remembering
    where bar_start_at >= restart_at
)
{%- endmacro %}
