{% macro regime_rows(bars, stored=none) %}
    {#-
        Common table expressions, the last of which is `regime_rows`: the rows of `market_regimes`, and
        the `series_no` they are of. To be placed after the CTE `restarts`, of the columns of
        `int_signals__restarts`; several series may be of one instrument and timeframe.

        bars    a relation of series_no, restart_at, resume_bar_no, the bars' closes and the columns of
                `indicators`, from each series' first bar to read on
        stored  the table whose rows the series go on from; none, where all begin anew
    -#}
    {%- set series = 'partition by series_no order by bar_no' %}
measured as (
    select
        *,
        atr_14 / close as relative_range
    from {{ bars }}
),

ranked as (
    select
        *,
        case
            when
                count(relative_range) over recent = {{ var('regime_volatility_window') }}
                then {{ rank_within('relative_range', 'recent') }}
        end as volatility_percentile
    from measured
    window recent as (
        {{ series }}
        rows between {{ var('regime_volatility_window') - 1 }} preceding and current row
    )
),

-- What each bar says for itself: NULL where it leaves things as they are.
signalled as (
    select
        series_no,
        restart_at,
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        available_at,
        bar_no,
        volatility_percentile,
        adx_14,
        case
            when volatility_percentile >= {{ var('regime_volatile_from') }} then true
            when volatility_percentile < {{ var('regime_volatile_until') }} then false
        end as volatile_signal,
        case
            when volatility_percentile is null then null
            when adx_14 < {{ var('regime_trend_until') }} then 0
            when adx_14 < {{ var('regime_trend_from') }} then null
            when plus_di_14 > minus_di_14 and close > sma_50 then 1
            when minus_di_14 > plus_di_14 and close < sma_50 then -1
        end as trend_signal,
        cast(null as varchar) as held_candidate,
        cast(null as bigint) as held_candidate_from_bar_no,
        cast(null as varchar) as held_regime,
        cast(null as bigint) as held_regime_from_bar_no,
        cast(null as timestamp) as held_regime_started_at
    from ranked
    where resume_bar_no is null or bar_no > resume_bar_no
    {%- if stored %}
    union all by name
    select
        restarts.series_no,
        restarts.restart_at,
        stored.bar_start_at,
        stored.bar_no,
        stored._is_volatile as volatile_signal,
        stored._trend as trend_signal,
        stored._candidate as held_candidate,
        stored.bar_no - stored._candidate_bars + 1 as held_candidate_from_bar_no,
        stored.regime as held_regime,
        stored.bar_no - stored.bars_in_regime + 1 as held_regime_from_bar_no,
        stored.regime_started_at as held_regime_started_at
    from {{ stored }} as stored
    inner join restarts
        on
            stored.instrument_id = restarts.instrument_id
            and stored.timeframe = restarts.timeframe
            and stored.bar_start_at = restarts.resume_at
    {%- endif %}
),

held as (
    select
        *,
        last_value(volatile_signal ignore nulls) over so_far as is_volatile,
        last_value(trend_signal ignore nulls) over so_far as trend
    from signalled
    window so_far as ({{ series }} rows unbounded preceding)
),

candidates as (
    select
        *,
        case
            when held_candidate is not null then held_candidate
            when is_volatile is null then null
            when is_volatile then 'volatile'
            when trend = 1 then 'trend_up'
            when trend = -1 then 'trend_down'
            else 'range'
        end as candidate
    from held
),

with_earlier_candidates as (
    select
        *,
        lag(candidate) over ({{ series }}) as earlier_candidate
    from candidates
),

candidate_changes as (
    select
        *,
        case
            when held_candidate_from_bar_no is not null then held_candidate_from_bar_no
            when coalesce(candidate, '') <> coalesce(earlier_candidate, '') then bar_no
        end as candidate_change
    from with_earlier_candidates
),

candidate_runs as (
    select
        *,
        bar_no - last_value(candidate_change ignore nulls) over (
            {{ series }} rows unbounded preceding
        ) + 1 as candidate_bars
    from candidate_changes
),

-- A candidate that has lasted becomes the regime, and stays it until another has lasted.
confirmed as (
    select
        *,
        last_value(
            case
                when held_regime is not null then held_regime
                when candidate_bars >= {{ var('regime_confirmation_bars') }} then candidate
            end ignore nulls
        ) over ({{ series }} rows unbounded preceding) as regime
    from candidate_runs
),

with_earlier_regimes as (
    select
        *,
        lag(regime) over ({{ series }}) as earlier_regime
    from confirmed
),

regime_changes as (
    select
        *,
        case
            when held_regime_from_bar_no is not null then held_regime_from_bar_no
            when coalesce(regime, '') <> coalesce(earlier_regime, '') then bar_no
        end as regime_change,
        case
            when held_regime_started_at is not null then held_regime_started_at
            when coalesce(regime, '') <> coalesce(earlier_regime, '') then bar_start_at
        end as regime_change_at
    from with_earlier_regimes
),

regime_rows as (
    select
        series_no,
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        available_at,
        bar_no,
        regime,
        case
            when regime is not null
                then last_value(regime_change_at ignore nulls) over so_far
        end as regime_started_at,
        case
            when regime is not null
                then bar_no - last_value(regime_change ignore nulls) over so_far + 1
        end as bars_in_regime,
        volatility_percentile,
        is_volatile as _is_volatile,
        trend as _trend,
        candidate as _candidate,
        candidate_bars as _candidate_bars
    from regime_changes
    window so_far as ({{ series }} rows unbounded preceding)
    qualify bar_start_at >= restart_at
)
{%- endmacro %}
