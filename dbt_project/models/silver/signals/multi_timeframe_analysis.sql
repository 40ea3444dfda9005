{{ config(materialized='by_series', series_key=['instrument_id']) }}
{%- set timeframes = ['1m', '5m', '15m', '1h', '4h', '1d'] -%}

with restarts as (
    select
        instrument_id,
        min(restart_at) as restart_at
    from {{ ref('int_signals__restarts') }} as restarts
    where {{ this_batch('restarts') }}
    group by instrument_id
),

enriched as (
    select
        *,
        {{ direction('close', 'sma_20', 'macd_histogram_12_26_9') | indent(4) }} as direction,
        {{ momentum_of('rsi_14') | indent(4) }} as momentum
    from {{ ref('market_data_enriched') }}
    where instrument_id in (select restarts.instrument_id from restarts)
),

timeframe_seconds as (
    select * from {{ ref('timeframes') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select
        calendar,
        session_date,
        lag(session_date, 1, session_date) over (
            partition by calendar order by session_date
        ) as previous_session_date
    from {{ ref('int_calendar__sessions') }}
),

-- Every close of the base timeframe, or of a coarser one where there is no finer.
closes as (
    select
        enriched.instrument_id,
        enriched.timeframe,
        enriched.bar_start_at,
        enriched.bar_end_at,
        enriched.session_date,
        enriched.available_at,
        sessions.previous_session_date
    from enriched
    inner join timeframe_seconds on enriched.timeframe = timeframe_seconds.timeframe
    inner join restarts
        on
            enriched.instrument_id = restarts.instrument_id
            and enriched.bar_end_at > restarts.restart_at
    inner join asset_classes on enriched.asset_class = asset_classes.asset_class
    inner join sessions
        on
            asset_classes.calendar = sessions.calendar
            and enriched.session_date = sessions.session_date
    where
        timeframe_seconds.seconds >= (
            select base.seconds from timeframe_seconds as base
            where base.timeframe = '{{ var("base_timeframe") }}'
        )
    qualify
        row_number() over (
            partition by enriched.instrument_id, enriched.bar_end_at
            order by timeframe_seconds.seconds
        ) = 1
),

-- The last bar of each timeframe that had ended; one of a session before the last is no news.
{% for timeframe in timeframes %}
bars_of_{{ timeframe }} as (
    select * from enriched
    where timeframe = '{{ timeframe }}'
),

looked_at_{{ timeframe }} as (
    select
        {% for column in ['bar_end_at', 'direction', 'momentum', 'regime', 'available_at'] %}
        case
            when latest.session_date >= closes.previous_session_date
                then latest.{{ column }}
        end as {{ column }}_{{ timeframe }},
        {% endfor %}
        closes.*
    from {{ 'closes' if loop.first else 'looked_at_' ~ loop.previtem }} as closes
    asof left join bars_of_{{ timeframe }} as latest
        on
            closes.instrument_id = latest.instrument_id
            and closes.bar_end_at >= latest.bar_end_at
),
{% endfor %}

directions as (
    select
        *,
        [
            {% for timeframe in timeframes %}
            direction_{{ timeframe }}{{ ',' if not loop.last }}
            {% endfor %}
        ] as directions,
        [
            {% for timeframe in timeframes %}
            available_at_{{ timeframe }},
            {% endfor %}
            available_at
        ] as availabilities
    from looked_at_{{ timeframes[-1] }}
),

final as (
    select
        instrument_id,
        timeframe as base_timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        list_max(availabilities) as available_at,
        {% for timeframe in timeframes %}
        bar_end_at_{{ timeframe }},
        direction_{{ timeframe }},
        momentum_{{ timeframe }},
        regime_{{ timeframe }},
        {% endfor %}
        {{ confluence('directions') }}
    from directions
)

select * from final
order by bar_start_at, instrument_id
