{{ config(schema='staging', tags=['trading_family']) }}
{#- Bars from a decision to the last that its outcome is of, and two more on the safe side. -#}
{%- set measured_bars = forward_horizons() | max + 2 -%}

{% if not execute or family_goes_on('trading') %}
with decisions as (
    select * from {{ ref('decision_history') }}
),

changed_decisions as (
    select * from {{ ref('int_decisions__changed') }}
),

changed_executions as (
    select * from {{ ref('int_executions__changed') }}
),

changed_lots as (
    select lots.*
    from {{ ref('trade_lifecycle') }} as lots
    semi join {{ ref('int_lots__changed') }} as changed on lots.lot_id = changed.lot_id
),

restarts as (
    select * from {{ ref('int_signals__restarts') }}
),

bars as not materialized (
    select
        instrument_id,
        timeframe,
        bar_start_at,
        bar_end_at,
        bar_no
    from {{ ref('market_data_enriched') }}
),

last_kept as (
    select
        restarts.instrument_id,
        restarts.timeframe,
        max(bars.bar_no) as bar_no
    from restarts
    left join bars
        on
            restarts.instrument_id = bars.instrument_id
            and restarts.timeframe = bars.timeframe
            and restarts.restart_at > bars.bar_start_at
    group by all
),

-- What was decided when a bar ended that is so far from the changed ones is measured from others.
remeasured_series as (
    select
        last_kept.instrument_id,
        last_kept.timeframe,
        coalesce(bars.bar_end_at, timestamp '0001-01-01') as decided_from
    from last_kept
    left join bars
        on
            last_kept.instrument_id = bars.instrument_id
            and last_kept.timeframe = bars.timeframe
            and last_kept.bar_no - {{ measured_bars }} = bars.bar_no
),

remeasured as (
    select decision_id from changed_decisions
    union
    select decision_id from changed_executions
    union
    select opening_decision_id as decision_id from changed_lots
    union
    select decisions.decision_id
    from decisions
    inner join remeasured_series
        on
            decisions.instrument_id = remeasured_series.instrument_id
            and decisions.timeframe = remeasured_series.timeframe
            and decisions.decided_at >= remeasured_series.decided_from
),
{% else %}
with remeasured as (
    select {{ typed_nulls() }}
    where false
),
{% endif %}

final as (
    select decision_id from remeasured
    where decision_id is not null
)

select * from final
