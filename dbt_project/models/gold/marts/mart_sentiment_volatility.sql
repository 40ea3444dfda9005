{%- set window_days = var('sentiment_event_window') -%}
{%- set before = 'over (partition by instrument_id order by session_date rows between '
    ~ window_days ~ ' preceding and 1 preceding)' -%}

with daily_bars as (
    select * from {{ ref('fct_daily_bars') }}
),

sessions as (
    select * from {{ ref('dim_sessions') }}
),

session_volatility as (
    select * from {{ ref('int_bars__session_volatility') }}
),

scores as (
    select * from {{ ref('sentiment_scores') }}
    where instrument_id is not null
),

-- From the close before to this close; a calendar's first session has its own day.
days as (
    select
        daily_bars.instrument_id,
        daily_bars.session_date,
        sessions.close_at,
        coalesce(previous_sessions.close_at, sessions.close_at - interval 1 day) as from_at,
        sessions.next_session_date,
        daily_bars.price_return,
        abs(ln(daily_bars.high / daily_bars.low)) / (2 * sqrt(ln(2))) as range_volatility,
        sqrt(session_volatility.realized_variance) as realized_volatility,
        session_volatility.volatility_method,
        greatest(daily_bars.available_at, session_volatility.available_at) as available_at
    from daily_bars
    inner join sessions on daily_bars.session_key = sessions.session_key
    left join sessions as previous_sessions
        on
            sessions.calendar = previous_sessions.calendar
            and sessions.previous_session_date = previous_sessions.session_date
    left join session_volatility
        on
            daily_bars.instrument_id = session_volatility.instrument_id
            and daily_bars.session_date = session_volatility.session_date
),

-- What has one version was first known with it: only the others need to be compared.
dated_scores as (
    select
        *,
        available_at as first_available_at
    from scores
    where version_no = 1 and superseded_at is null
    union all
    select
        *,
        min(available_at) over (
            partition by document_type, provider, document_id, instrument_id
        ) as first_available_at
    from scores
    where version_no > 1 or superseded_at is not null
),

-- A session begins and ends within days, by which its documents are found.
session_days as (
    select
        instrument_id,
        session_date,
        from_at,
        close_at,
        unnest(generate_series(date_trunc('day', from_at), close_at, interval 1 day))
            as day_start_at
    from days
),

-- A document is of the session in which it was first known, as it was known at its close.
documents as (
    select
        dated_scores.instrument_id,
        session_days.session_date,
        dated_scores.document_type,
        dated_scores.score
    from dated_scores
    inner join session_days
        on
            dated_scores.instrument_id = session_days.instrument_id
            and date_trunc('day', dated_scores.first_available_at) = session_days.day_start_at
            and dated_scores.first_available_at > session_days.from_at
            and dated_scores.first_available_at <= session_days.close_at
    where
        dated_scores.available_at <= session_days.close_at
        and coalesce(dated_scores.superseded_at > session_days.close_at, true)
),

daily_scores as (
    select
        instrument_id,
        session_date,
        count(*) as document_count,
        count(*) filter (where document_type = 'article') as article_count,
        {{ exact_mean('score') }} as sentiment_score
    from documents
    group by all
),

-- Against the days with documents before this one: the day itself is not in its own measure.
compared as (
    select
        *,
        count(*) {{ before }} as days_before,
        {{ exact_mean('sentiment_score', before) }} as mean_before,
        cast(
            sum({{ exact_fraction('sentiment_score * sentiment_score') }}) {{ before }} as double
        ) as square_sum_before
    from daily_scores
),

standardised as (
    select
        *,
        case
            when days_before >= {{ var('sentiment_event_minimum') }}
                then
                    (square_sum_before - days_before * mean_before * mean_before)
                    / (days_before - 1)
        end as variance_before,
        -- Of days that are all alike, rounding leaves a little.
        case
            when variance_before > 1e-12
                then (sentiment_score - mean_before) / sqrt(variance_before)
        end as sentiment_z_score
    from compared
),

first_days as (
    select
        instrument_id,
        min(session_date) as first_session_date
    from daily_scores
    group by instrument_id
),

followed as (
    select
        *,
        coalesce(lead(session_date) over series = next_session_date, false) as is_followed,
        lead(price_return) over series as following_price_return,
        lead(realized_volatility) over series as following_realized_volatility,
        lead(volatility_method) over series as following_volatility_method,
        lead(range_volatility) over series as following_range_volatility,
        lead(available_at) over series as following_available_at
    from days
    window series as (partition by instrument_id order by session_date)
),

final as (
    select
        followed.instrument_id,
        followed.session_date,
        coalesce(standardised.document_count, 0) as document_count,
        coalesce(standardised.article_count, 0) as article_count,
        standardised.sentiment_score,
        standardised.sentiment_z_score,
        followed.close_at as sentiment_available_at,
        followed.price_return,
        followed.realized_volatility,
        followed.volatility_method,
        followed.range_volatility,
        followed.available_at,
        {% for column in [
            'price_return', 'realized_volatility', 'volatility_method', 'range_volatility',
        ] %}
        case when followed.is_followed then followed.following_{{ column }} end
            as next_{{ column }},
        {% endfor %}
        case when followed.is_followed then followed.following_available_at end
            as next_available_at
    from followed
    inner join first_days
        on
            followed.instrument_id = first_days.instrument_id
            and followed.session_date >= first_days.first_session_date
    left join standardised
        on
            followed.instrument_id = standardised.instrument_id
            and followed.session_date = standardised.session_date
)

select * from final
order by session_date, instrument_id
