with bars as (
    select * from {{ ref('bars') }}
    where is_final
),

daily_bars as (
    select * from {{ ref('fct_daily_bars') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
    where is_current
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

latest_ends as (
    select
        instrument_id,
        max(bar_end_at) as bar_end_at
    from bars
    group by instrument_id
),

latest_bars as (
    select bars.*
    from bars
    inner join latest_ends
        on
            bars.instrument_id = latest_ends.instrument_id
            and bars.bar_end_at = latest_ends.bar_end_at
    inner join timeframes on bars.timeframe = timeframes.timeframe
    qualify row_number() over (partition by bars.instrument_id order by timeframes.seconds) = 1
),

previous_closes as (
    select
        latest_bars.instrument_id,
        max(daily_bars.session_date) as previous_session_date,
        arg_max(
            daily_bars.close * daily_bars.split_factor, daily_bars.session_date
        ) as previous_close_forward
    from latest_bars
    inner join daily_bars
        on
            latest_bars.instrument_id = daily_bars.instrument_id
            and latest_bars.session_date > daily_bars.session_date
    group by all
),

latest_factors as (
    select * from {{ ref('adjustment_factors') }}
),

final as (
    select
        latest_bars.instrument_id,
        instruments.symbol,
        instruments.name,
        latest_bars.close as price,
        instruments.currency,
        latest_bars.bar_end_at as price_at,
        latest_bars.timeframe,
        latest_bars.provider,
        previous_closes.previous_session_date,
        -- In the share units of the latest bar, so that a split between the two is no price change.
        previous_closes.previous_close_forward / latest_factors.split_factor as previous_close,
        100 * (
            latest_bars.close * latest_factors.split_factor
            / previous_closes.previous_close_forward - 1
        ) as change_pct
    from latest_bars
    inner join latest_factors
        on
            latest_bars.instrument_id = latest_factors.instrument_id
            and latest_bars.session_date >= latest_factors.valid_from
            and latest_bars.session_date < latest_factors.valid_to
    left join instruments on latest_bars.instrument_id = instruments.instrument_id
    left join previous_closes on latest_bars.instrument_id = previous_closes.instrument_id
)

select * from final
order by instrument_id
