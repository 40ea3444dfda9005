-- depends_on: {{ ref('int_bars__touched_sessions') }}, {{ ref('int_signals__restarts') }}
{{ config(schema='staging') }}
{%- set never = "timestamp '9999-12-31'" %}

with of_decisions as (
    select * from {{ ref('int_decisions__observations') }}
),

of_features as (
    select * from {{ ref('int_features__observations') }}
),

enriched as not materialized (
    select * from {{ ref('market_data_enriched') }}
),

known as (
    select * from {{ ref('int_bars__known') }}
),

points as (
    select
        instrument_id,
        timeframe,
        observed_at
    from of_decisions
    union
    select
        instrument_id,
        timeframe,
        observed_at
    from of_features
),

{% if observes_all() %}
due as (
    select * from points
),
{% else %}
changes as (
    select
        instrument_id,
        session_date as changed_from
    from {{ ref('int_bars__touched_sessions') }}
    union all
    select
        instrument_id,
        cast(restart_at as date) as changed_from
    from {{ ref('int_signals__restarts') }}
),

-- Nothing of a session could be known more than a day before its date.
changed_instruments as (
    select
        instrument_id,
        cast(min(changed_from) as timestamp) - interval 1 day as changed_from
    from changes
    group by instrument_id
),

-- The table of observations, as the last build left it: named, as it is built from this.
observed as (
    select * from silver.int_signals__observed
),

due as (
    select points.*
    from points
    left join changed_instruments on points.instrument_id = changed_instruments.instrument_id
    left join observed
        on
            points.instrument_id = observed.instrument_id
            and points.timeframe = observed.timeframe
            and points.observed_at = observed.observed_at
    where
        observed.observed_at is null
        or points.observed_at >= changed_instruments.changed_from
),
{% endif %}

due_series as (
    select
        instrument_id,
        timeframe,
        min(observed_at) as first_observed_at
    from due
    group by instrument_id, timeframe
),

-- From the bar on that was known at the first of these times at the latest.
first_needed as (
    select
        enriched.instrument_id,
        enriched.timeframe,
        max(enriched.bar_start_at) as bar_start_at
    from enriched
    inner join due_series
        on
            enriched.instrument_id = due_series.instrument_id
            and enriched.timeframe = due_series.timeframe
            and enriched.bar_available_at <= due_series.first_observed_at
    group by enriched.instrument_id, enriched.timeframe
),

first_known as (
    select
        instrument_id,
        timeframe,
        bar_start_at,
        min(known_from) as known_from
    from known
    group by all
),

known_bars as (
    select
        enriched.instrument_id,
        enriched.timeframe,
        enriched.bar_start_at,
        enriched.bar_end_at,
        coalesce(first_known.known_from, enriched.bar_available_at) as known_from
    from enriched
    inner join due_series
        on
            enriched.instrument_id = due_series.instrument_id
            and enriched.timeframe = due_series.timeframe
    left join first_needed
        on
            enriched.instrument_id = first_needed.instrument_id
            and enriched.timeframe = first_needed.timeframe
    left join first_known
        on
            enriched.instrument_id = first_known.instrument_id
            and enriched.timeframe = first_known.timeframe
            and enriched.bar_start_at = first_known.bar_start_at
    where
        enriched.bar_start_at >= coalesce(first_needed.bar_start_at, timestamp '0001-01-01')
        or enriched.bar_available_at > due_series.first_observed_at
),

-- Bars that are known equally long after their end are known in their order.
unordered_series as (
    select
        instrument_id,
        timeframe
    from known_bars
    group by all
    having max(known_from - bar_end_at) > min(known_from - bar_end_at)
),

unordered_bars as (
    select
        known_bars.*,
        min(known_bars.known_from) over (
            partition by known_bars.instrument_id, known_bars.timeframe
            order by known_bars.bar_start_at
            rows between 1 following and unbounded following
        ) as later_known_from
    from known_bars
    semi join unordered_series
        on
            known_bars.instrument_id = unordered_series.instrument_id
            and known_bars.timeframe = unordered_series.timeframe
),

-- A bar that is not known before a later one is never the last that is known.
known_in_order as (
    select
        known_bars.instrument_id,
        known_bars.timeframe,
        known_bars.bar_start_at,
        known_bars.known_from
    from known_bars
    anti join unordered_series
        on
            known_bars.instrument_id = unordered_series.instrument_id
            and known_bars.timeframe = unordered_series.timeframe
    union all
    select
        instrument_id,
        timeframe,
        bar_start_at,
        known_from
    from unordered_bars
    where coalesce(known_from < later_known_from, true)
),

last_known as (
    select
        due.instrument_id,
        due.timeframe,
        due.observed_at,
        known_in_order.bar_start_at
    from due
    asof inner join known_in_order
        on
            due.instrument_id = known_in_order.instrument_id
            and due.timeframe = known_in_order.timeframe
            and due.observed_at >= known_in_order.known_from
),

-- The bars of a series that are known at one time are the first of those known at the next, but
-- where one becomes another, or comes after a later one.
corrections as (
    select
        known.instrument_id,
        known.timeframe,
        known.known_from as corrected_at
    from known
    anti join first_known
        on
            known.instrument_id = first_known.instrument_id
            and known.timeframe = first_known.timeframe
            and known.bar_start_at = first_known.bar_start_at
            and known.known_from = first_known.known_from
    union
    select
        instrument_id,
        timeframe,
        known_from as corrected_at
    from unordered_bars
    where known_from >= later_known_from
),

judged as (
    select
        last_known.*,
        enriched.available_at > last_known.observed_at as is_restated
    from last_known
    inner join enriched
        on
            last_known.instrument_id = enriched.instrument_id
            and last_known.timeframe = enriched.timeframe
            and last_known.bar_start_at = enriched.bar_start_at
),

restated as (
    select
        judged.instrument_id,
        judged.timeframe,
        judged.observed_at,
        judged.bar_start_at,
        corrections.corrected_at as known_until
    from judged
    asof inner join corrections
        on
            judged.instrument_id = corrections.instrument_id
            and judged.timeframe = corrections.timeframe
            and judged.observed_at < corrections.corrected_at
    where judged.is_restated
),

final as (
    select
        points.instrument_id,
        points.timeframe,
        points.observed_at,
        due.observed_at is not null as is_due,
        judged.bar_start_at,
        restated.known_until
    from points
    left join due
        on
            points.instrument_id = due.instrument_id
            and points.timeframe = due.timeframe
            and points.observed_at = due.observed_at
    left join judged
        on
            points.instrument_id = judged.instrument_id
            and points.timeframe = judged.timeframe
            and points.observed_at = judged.observed_at
    left join restated
        on
            points.instrument_id = restated.instrument_id
            and points.timeframe = restated.timeframe
            and points.observed_at = restated.observed_at
)

select * from final
