{%- set horizons = [1, 5] -%}

with daily_bars as (
    select * from {{ ref('fct_daily_bars') }}
),

volatilities as (
    select * from {{ ref('int_bars__session_volatility') }}
),

sessions as (
    select
        daily_bars.instrument_id,
        daily_bars.session_date,
        daily_bars.available_at,
        daily_bars.close * daily_bars.total_return_factor as total_return_close,
        volatilities.realized_variance,
        volatilities.volatility_method,
        volatilities.available_at as variance_available_at
    from daily_bars
    inner join volatilities
        on
            daily_bars.instrument_id = volatilities.instrument_id
            and daily_bars.session_date = volatilities.session_date
),

-- What is not there yet makes each of them NULL.
ahead as (
    select
        *,
        {% for horizon in horizons %}
        lead(session_date, {{ horizon }}) over series as session_date_{{ horizon }}d,
        lead(total_return_close, {{ horizon }}) over series as total_return_close_{{ horizon }}d,
        (
            {% for step in range(1, horizon + 1) %}
            {{ '+ ' if not loop.first }}lead(realized_variance, {{ step }}) over series
            {% endfor %}
        ) / {{ horizon }} as realized_variance_{{ horizon }}d,
        max(greatest(available_at, variance_available_at)) over (
            partition by instrument_id order by session_date
            rows between current row and {{ horizon }} following
        ) as available_at_{{ horizon }}d,
        {% endfor %}
        lead(volatility_method, 1) over series as volatility_method_1d
    from sessions
    window series as (partition by instrument_id order by session_date)
),

final as (
    select
        instrument_id,
        session_date,
        {% for horizon in horizons %}
        session_date_{{ horizon }}d,
        total_return_close_{{ horizon }}d / total_return_close - 1 as return_{{ horizon }}d,
        sqrt(realized_variance_{{ horizon }}d) as realized_volatility_{{ horizon }}d,
        case when session_date_{{ horizon }}d is not null then available_at_{{ horizon }}d end
            as label_{{ horizon }}d_available_at,
        {% endfor %}
        volatility_method_1d,
        label_5d_available_at as label_available_at
    from ahead
)

select * from final
order by session_date, instrument_id
