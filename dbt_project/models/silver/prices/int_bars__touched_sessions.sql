-- depends_on: {{ ref('int_bars__remapped_symbols') }}, {{ ref('int_bars__records') }}
-- depends_on: {{ ref('load_requests') }}
{{ config(schema='staging') }}
{%- set batch_ids = unprocessed_batches() -%}

{#- The series held so far are named, not referenced: they are built after this, from it. -#}
{% if batch_ids and relation_exists('silver', 'int_bars__series') %}
with new_records as (
    select distinct
        instrument_id,
        session_date
    from {{ ref('int_bars__records') }}
    where
        {{ in_batches('_batch_id', batch_ids) }}
        and instrument_id is not null
        and session_date is not null
),

new_requests as (
    select * from {{ ref('load_requests') }}
    where {{ in_batches('batch_id', batch_ids) }}
),

-- An answer without rows, or one that only confirms, can make bars final or buckets complete.
asked as (
    select distinct
        held.instrument_id,
        held.session_date
    from silver.int_bars__series as held
    inner join new_requests
        on
            held.provider = new_requests.provider
            and held._symbol = new_requests.symbol
            -- A day wider on both sides than any time zone needs.
            and held.session_date >= cast(new_requests.start_at as date) - 1
            and held.session_date <= cast(new_requests.end_at as date) + 1
),

touched as (
    select * from new_records
    union
    select * from asked
),
{% else %}
with touched as (
    select
        cast(null as varchar) as instrument_id,
        cast(null as date) as session_date
    where false
),
{% endif %}

final as (
    select * from touched
    {% if bars_are_rebuilt() %}
    union all
    select
        '{{ every_session() }}' as instrument_id,
        date '1970-01-01' as session_date
    {% endif %}
)

select * from final
order by instrument_id, session_date
