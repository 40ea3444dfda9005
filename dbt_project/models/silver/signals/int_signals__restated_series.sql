{{ config(schema='staging') }}
{%- set kept_bars = lookback_bars() -%}
{%- set never = "timestamp '9999-12-31'" %}

with observations as (
    select * from {{ ref('int_signals__observations') }}
    where known_until is not null
),

known as (
    select * from {{ ref('int_bars__known') }}
    where known_to = {{ never }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

-- Between two corrections, the bars known at one time are the first of those known at another.
spells as (
    select
        instrument_id,
        timeframe,
        known_until,
        max(bar_start_at) as last_start_at
    from observations
    group by all
),

enriched as (
    select
        enriched.instrument_id,
        enriched.timeframe,
        enriched.bar_start_at,
        enriched.bar_end_at,
        enriched.bar_no,
        enriched.volume,
        enriched.bar_available_at,
        enriched.available_at
    from {{ ref('market_data_enriched') }} as enriched
    semi join spells
        on
            enriched.instrument_id = spells.instrument_id
            and enriched.timeframe = spells.timeframe
),

-- Every bar that may have come after a later one.
late_bars as (
    select
        instrument_id,
        timeframe,
        bar_start_at,
        known_from
    from known
    union all
    select
        instrument_id,
        timeframe,
        bar_start_at,
        bar_available_at as known_from
    from enriched
    qualify
        bar_available_at >= min(bar_available_at) over (
            partition by instrument_id, timeframe
            order by bar_start_at
            rows between 1 following and unbounded following
        )
),

late_arrivals as (
    select
        instrument_id,
        timeframe,
        known_from,
        min(bar_start_at) as bar_start_at
    from late_bars
    group by all
),

first_late_bars as (
    select
        instrument_id,
        timeframe,
        known_from,
        min(bar_start_at) over (
            partition by instrument_id, timeframe
            order by known_from
            rows between current row and unbounded following
        ) as bar_start_at
    from late_arrivals
),

-- From the first bar on that was not known as it now is.
restarts as (
    select
        spells.*,
        first_late_bars.bar_start_at as restart_at
    from spells
    asof inner join first_late_bars
        on
            spells.instrument_id = first_late_bars.instrument_id
            and spells.timeframe = first_late_bars.timeframe
            and spells.known_until <= first_late_bars.known_from
),

volumes as (
    select
        instrument_id,
        timeframe,
        count(*) filter (where isfinite(volume)) in (0, count(*)) as all_have_volumes_or_none
    from enriched
    group by all
),

numbered as (
    select
        restarts.*,
        restarted.bar_no as restart_bar_no,
        needed.bar_no as last_bar_no,
        case
            when restarted.bar_no > {{ kept_bars }} and volumes.all_have_volumes_or_none
                then restarted.bar_no - 1
        end as resume_bar_no
    from restarts
    inner join enriched as restarted
        on
            restarts.instrument_id = restarted.instrument_id
            and restarts.timeframe = restarted.timeframe
            and restarts.restart_at = restarted.bar_start_at
    inner join enriched as needed
        on
            restarts.instrument_id = needed.instrument_id
            and restarts.timeframe = needed.timeframe
            and restarts.last_start_at = needed.bar_start_at
    inner join volumes
        on
            restarts.instrument_id = volumes.instrument_id
            and restarts.timeframe = volumes.timeframe
),

series as (
    select
        row_number() over (
            order by numbered.instrument_id, numbered.timeframe, numbered.known_until
        ) as series_no,
        numbered.instrument_id,
        numbered.timeframe,
        numbered.known_until,
        case
            when resumed.bar_start_at is not null then numbered.restart_at
            else timestamp '0001-01-01'
        end as restart_at,
        numbered.last_start_at,
        resumed.bar_start_at as resume_at,
        numbered.resume_bar_no,
        coalesce(numbered.resume_bar_no - {{ kept_bars }} + 1, 0) as input_from_bar_no,
        numbered.last_bar_no,
        {{ bars_per_year() }} as bars_per_year
    from numbered
    left join enriched as resumed
        on
            numbered.instrument_id = resumed.instrument_id
            and numbered.timeframe = resumed.timeframe
            and numbered.resume_bar_no = resumed.bar_no
    inner join asset_classes
        on split_part(numbered.instrument_id, ':', 1) = asset_classes.asset_class
    inner join timeframes on numbered.timeframe = timeframes.timeframe
),

final as (
    select
        *,
        cast(
            (
                sum(last_bar_no - input_from_bar_no + 1) over (order by series_no)
                - (last_bar_no - input_from_bar_no + 1)
            ) // {{ var('bars_per_batch') }} as bigint
        ) as batch_no
    from series
)

select * from final
order by series_no
