{{ config(schema='staging', tags=['trading_family']) }}
{%- set told = decision_content() | join(', ') -%}

with decisions as (
    select {{ told }}
    from {{ ref('int_decisions__told') }}
),

{% if not execute or family_goes_on('trading') %}
observations as (
    select
        instrument_id,
        observed_at
    from {{ ref('int_signals__observations') }}
    where is_due
),

sentiment as (
    select * from {{ ref('int_sentiment__changed') }}
),

{% if not execute or takes_in_only_new(['decisions']) %}
told_now as (
    select * from decisions
    where {{ in_batches('_batch_id', unprocessed_batches(['decisions'])) }}
),
{% else %}
-- What the last build left is named, not referenced: it is built after this.
told_before as (
    select {{ told }}
    from silver.decision_history
),

told_now as (
    {{ in_one_only('decisions', 'told_before') }}
),
{% endif %}

changed_splits as (
    select
        instrument_id,
        min(ex_date) as changed_from
    from ({{ changed_since_applied('late_splits') }}) as changed
    group by instrument_id
),

changed_days as (
    select distinct
        instrument_id,
        unnest(generate_series(
            cast(available_at as date),
            cast(available_at + interval {{ var('sentiment_window_days') }} day as date),
            interval 1 day
        )) as day_start_at
    from sentiment
    where instrument_id <> '{{ every_instrument() }}'
),

changed as (
    select decision_id from told_now
    union
    select decisions.decision_id
    from decisions
    semi join observations
        on
            decisions.instrument_id = observations.instrument_id
            and decisions.decided_at = observations.observed_at
    union
    select decisions.decision_id
    from decisions
    semi join changed_days
        on
            decisions.instrument_id = changed_days.instrument_id
            and date_trunc('day', decisions.decided_at) = changed_days.day_start_at
    union
    select decision_id from decisions
    where '{{ every_instrument() }}' in (select instrument_id from sentiment)
    union
    select decisions.decision_id
    from decisions
    semi join changed_splits on decisions.instrument_id = changed_splits.instrument_id
),
{% else %}
changed as (
    select decision_id from decisions
    where false
),
{% endif %}

final as (
    select decision_id from changed
)

select * from final
