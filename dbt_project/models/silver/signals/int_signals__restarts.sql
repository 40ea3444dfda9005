-- depends_on: {{ ref('int_bars__touched_sessions') }}, {{ ref('int_bars__split_factors') }}
{{ config(schema='staging') }}
{%- set kept_bars = lookback_bars() -%}
{%- set rebuilt = signals_are_rebuilt() -%}
{#- Whatever of a bar is copied into `market_data_enriched`, or computed from. -#}
{%- set compared = [
    'instrument_id', 'timeframe', 'bar_start_at', 'bar_end_at', 'asset_class', 'open', 'high',
    'low', 'close', 'volume', 'adj_close', 'vwap', 'trade_count', 'provider', 'is_derived',
] -%}

with bars as not materialized (
    select * from {{ ref('bars') }}
    where is_final
),

{% if rebuilt or not execute %}
restarts as (
    select
        instrument_id,
        timeframe,
        min(bar_start_at) as restart_at
    from bars
    group by all
),

kept as (
    select
        instrument_id,
        timeframe,
        restart_at as resume_at,
        restart_at as input_from_at,
        cast(0 as bigint) as resume_bar_no,
        cast(0 as bigint) as input_from_bar_no
    from restarts
    where false
),
{% else %}
touched_sessions as (
    select * from {{ ref('int_bars__touched_sessions') }}
),

split_factors as (
    select * from {{ ref('int_bars__split_factors') }}
),

-- The last table of the line, as the last build left it: named, as it is built from this.
enriched as (
    select * from silver.market_data_enriched
),

bars_now as (
    select
        {% for column in compared %}
        bars.{{ column }},
        {% endfor %}
        bars.available_at
    from bars
    semi join touched_sessions
        on
            bars.instrument_id = touched_sessions.instrument_id
            and bars.session_date = touched_sessions.session_date
),

bars_then as (
    select
        {% for column in compared %}
        enriched.{{ column }},
        {% endfor %}
        enriched.bar_available_at as available_at
    from enriched
    semi join touched_sessions
        on
            enriched.instrument_id = touched_sessions.instrument_id
            and enriched.session_date = touched_sessions.session_date
),

changed_bars as (
    {{ in_one_only('bars_now', 'bars_then') }}
),

factors_then as (
    select * from ops.applied_split_factors
),

factors_now as (
    select
        instrument_id,
        valid_from,
        split_factor
    from split_factors
),

factor_differences as (
    {{ in_one_only('factors_now', 'factors_then') }}
),

changed_factors as (
    select
        instrument_id,
        min(valid_from) as changed_from
    from factor_differences
    group by instrument_id
),

changes as (
    select
        instrument_id,
        timeframe,
        bar_start_at
    from changed_bars
    union all
    select
        bars.instrument_id,
        bars.timeframe,
        bars.bar_start_at
    from bars
    inner join changed_factors
        on
            bars.instrument_id = changed_factors.instrument_id
            and bars.session_date >= changed_factors.changed_from
),

restarts as (
    select
        instrument_id,
        timeframe,
        min(bar_start_at) as restart_at
    from changes
    group by all
),

indicators as not materialized (
    select * from silver.indicators
),

last_kept as (
    select
        indicators.instrument_id,
        indicators.timeframe,
        max(indicators.bar_no) as resume_bar_no,
        max(indicators.bar_start_at) as resume_at
    from indicators
    inner join restarts
        on
            indicators.instrument_id = restarts.instrument_id
            and indicators.timeframe = restarts.timeframe
            and indicators.bar_start_at < restarts.restart_at
    group by all
    having max(indicators.bar_no) >= {{ kept_bars }}
),

kept as (
    select
        indicators.instrument_id,
        indicators.timeframe,
        last_kept.resume_at,
        last_kept.resume_bar_no,
        min(indicators.bar_start_at) as input_from_at,
        min(indicators.bar_no) as input_from_bar_no
    from indicators
    inner join last_kept
        on
            indicators.instrument_id = last_kept.instrument_id
            and indicators.timeframe = last_kept.timeframe
            and indicators.bar_no <= last_kept.resume_bar_no
            and indicators.bar_no > last_kept.resume_bar_no - {{ kept_bars }}
    group by all
),
{% endif %}

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

bar_counts as (
    select
        restarts.instrument_id,
        restarts.timeframe,
        count(*) as bar_count,
        count(*) filter (where isfinite(bars.volume)) as with_volume_count,
        count(*) filter (where bars.bar_start_at >= restarts.restart_at) as restarted_count
    from restarts
    inner join bars
        on restarts.instrument_id = bars.instrument_id and restarts.timeframe = bars.timeframe
    group by all
),

-- Indicators of volume count only the bars that have one: where some do not, no fixed number of
-- bars is enough to look back on.
series as (
    select
        restarts.instrument_id,
        restarts.timeframe,
        restarts.restart_at,
        kept.resume_at,
        kept.resume_bar_no,
        coalesce(kept.input_from_at, timestamp '0001-01-01') as input_from_at,
        coalesce(kept.input_from_bar_no, 0) as input_from_bar_no,
        case
            when kept.resume_at is null then bar_counts.bar_count
            else bar_counts.restarted_count + {{ kept_bars }}
        end as input_count
    from restarts
    left join bar_counts
        on
            restarts.instrument_id = bar_counts.instrument_id
            and restarts.timeframe = bar_counts.timeframe
    left join kept
        on
            restarts.instrument_id = kept.instrument_id
            and restarts.timeframe = kept.timeframe
            and bar_counts.with_volume_count in (0, bar_counts.bar_count)
),

instrument_sizes as (
    select
        instrument_id,
        sum(input_count) as bar_count
    from series
    group by instrument_id
),

counted as (
    select
        instrument_id,
        bar_count,
        sum(bar_count) over (order by instrument_id) as bar_count_so_far
    from instrument_sizes
),

-- Whole instruments, so that what compares timeframes finds them together.
batches as (
    select
        instrument_id,
        (bar_count_so_far - bar_count) // {{ var('bars_per_batch') }} as batch_no
    from counted
),

final as (
    select
        row_number() over (order by series.instrument_id, series.timeframe) as series_no,
        series.instrument_id,
        series.timeframe,
        series.restart_at,
        series.resume_at,
        series.resume_bar_no,
        series.input_from_at,
        series.input_from_bar_no,
        {{ bars_per_year() }} as bars_per_year,
        cast(coalesce(batches.batch_no, 0) as bigint) as batch_no
    from series
    inner join asset_classes
        on split_part(series.instrument_id, ':', 1) = asset_classes.asset_class
    inner join timeframes on series.timeframe = timeframes.timeframe
    left join batches on series.instrument_id = batches.instrument_id
)

select * from final
order by series_no
