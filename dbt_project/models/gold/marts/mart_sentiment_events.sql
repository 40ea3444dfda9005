{%- set days_around = 5 -%}
{%- set baseline_days = 20 -%}
{%- set controls_per_event = 3 -%}
{%- set quiet_below = 1 -%}
{#- What moves less hardly moves; beyond this times the price before it, it is no return. -#}
{%- set smallest_baseline, largest_return = '1e-5', '1e4' -%}
{%- set extreme_from = double(var('sentiment_event_z')) -%}

with daily_sentiment as (
    select * from {{ ref('mart_sentiment_volatility') }}
),

-- The volatility before the days around: the same for each of them, and known before the first.
measured as (
    select
        instrument_id,
        sentiment_z_score,
        range_volatility,
        price_return,
        row_number() over series as session_no,
        coalesce(abs(sentiment_z_score) >= {{ extreme_from }}, false) as is_extreme,
        {{ exact_mean('range_volatility', 'over earlier') }} as baseline,
        count(range_volatility) over earlier as baseline_count
    from daily_sentiment
    window
        series as (partition by instrument_id order by session_date),
        earlier as (
            partition by instrument_id
            order by session_date
            rows between {{ days_around + baseline_days }} preceding
            and {{ days_around + 1 }} preceding
        )
),

days as (
    select
        *,
        count(*) filter (where is_extreme) over (
            partition by instrument_id
            order by session_no
            rows between {{ days_around }} preceding and 1 preceding
        ) as extremes_before,
        count(*) filter (where is_extreme) over (
            partition by instrument_id
            order by session_no
            rows between {{ days_around }} preceding and {{ days_around }} following
        ) as extremes_around
    from measured
),

candidates as (
    select * from days
    where baseline_count = {{ baseline_days }} and baseline > {{ smallest_baseline }}
),

quiet_days as (
    select
        *,
        row_number() over (partition by instrument_id order by session_no) as quiet_no
    from candidates
    where abs(sentiment_z_score) < {{ quiet_below }} and extremes_around = 0
),

-- Extremes that follow one another are one event, on the first of its days.
extreme_days as (
    select
        instrument_id,
        session_no,
        baseline,
        case when sentiment_z_score < 0 then 'very_negative' else 'very_positive' end
            as event_class,
        session_no - {{ 2 * days_around + 1 }} as controls_until_no
    from candidates
    where is_extreme and extremes_before = 0
),

-- An event without a quiet day before it has nothing to be compared with.
events as (
    select
        extreme_days.*,
        quiet_days.quiet_no as last_quiet_no
    from extreme_days
    asof inner join quiet_days
        on
            extreme_days.instrument_id = quiet_days.instrument_id
            and extreme_days.controls_until_no >= quiet_days.session_no
),

controls as (
    select
        events.event_class,
        events.instrument_id,
        events.session_no as event_no,
        quiet_days.session_no,
        quiet_days.baseline
    from events
    inner join quiet_days
        on
            events.instrument_id = quiet_days.instrument_id
            and quiet_days.quiet_no
            between events.last_quiet_no - {{ controls_per_event - 1 }} and events.last_quiet_no
),

relative_days as (
    select unnest(range(-{{ days_around }}, {{ days_around + 1 }})) as relative_day
),

around_events as (
    select
        events.event_class,
        events.instrument_id,
        events.session_no as event_no,
        relative_days.relative_day,
        days.range_volatility / events.baseline - 1 as abnormal_volatility,
        days.price_return
    from events
    cross join relative_days
    inner join days
        on
            events.instrument_id = days.instrument_id
            and events.session_no + relative_days.relative_day = days.session_no
            and abs(days.price_return) < {{ largest_return }}
),

around_controls as (
    select
        controls.event_class,
        controls.instrument_id,
        controls.event_no,
        relative_days.relative_day,
        count(*) as control_count,
        {{ exact_mean('days.range_volatility / controls.baseline - 1') }} as abnormal_volatility,
        {{ exact_mean('days.price_return') }} as price_return
    from controls
    cross join relative_days
    inner join days
        on
            controls.instrument_id = days.instrument_id
            and controls.session_no + relative_days.relative_day = days.session_no
            and abs(days.price_return) < {{ largest_return }}
    group by all
),

matched as (
    select
        around_events.event_class,
        around_events.relative_day,
        around_events.abnormal_volatility,
        around_events.price_return,
        around_controls.control_count,
        around_controls.abnormal_volatility as control_abnormal_volatility,
        around_controls.price_return as control_return,
        around_events.abnormal_volatility - around_controls.abnormal_volatility
            as volatility_difference,
        around_events.price_return - around_controls.price_return as return_difference
    from around_events
    inner join around_controls
        on
            around_events.event_class = around_controls.event_class
            and around_events.instrument_id = around_controls.instrument_id
            and around_events.event_no = around_controls.event_no
            and around_events.relative_day = around_controls.relative_day
),

averaged as (
    select
        event_class,
        relative_day,
        count(*) as event_count,
        cast(sum(control_count) as bigint) as control_count,
        {{ exact_mean('abnormal_volatility') }} as mean_abnormal_volatility,
        {{ exact_mean('control_abnormal_volatility') }} as control_mean_abnormal_volatility,
        {{ exact_mean('volatility_difference') }} as abnormal_volatility_difference,
        cast(
            sum({{ exact_fraction('volatility_difference * volatility_difference') }}) as double
        ) as difference_square_sum,
        {{ exact_mean('price_return') }} as mean_return,
        {{ exact_mean('control_return') }} as control_mean_return,
        {{ exact_mean('return_difference') }} as return_difference
    from matched
    group by all
),

final as (
    select
        event_class,
        relative_day,
        event_count,
        control_count,
        mean_abnormal_volatility,
        control_mean_abnormal_volatility,
        abnormal_volatility_difference,
        case
            when event_count > 1
                then
                    sqrt(
                        greatest(
                            difference_square_sum
                            - event_count
                            * abnormal_volatility_difference * abnormal_volatility_difference,
                            0
                        ) / (event_count - 1) / event_count
                    )
        end as abnormal_volatility_standard_error,
        mean_return,
        control_mean_return,
        return_difference
    from averaged
)

select * from final
order by event_class, relative_day
