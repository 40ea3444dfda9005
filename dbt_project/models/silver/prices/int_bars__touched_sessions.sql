-- depends_on: {{ ref('int_bars__remapped_symbols') }}, {{ ref('int_bars__records') }}
-- depends_on: {{ ref('load_requests') }}
{%- set is_first_build = not relation_exists('silver', 'bars') -%}
{%- set batch_ids = unprocessed_batches() -%}

{% if is_first_build or not batch_ids %}
with final as (
    select
        cast(null as varchar) as instrument_id,
        cast(null as date) as session_date
    where false
)
{% else %}
with new_records as (
    select distinct
        instrument_id,
        session_date
    from {{ ref('int_bars__records') }}
    where {{ in_batches('_batch_id', batch_ids) }}
        and instrument_id is not null
        and session_date is not null
),

new_requests as (
    select * from {{ ref('load_requests') }}
    where {{ in_batches('batch_id', batch_ids) }}
),

-- An answer without rows, or one that only confirms, can make bars final or buckets complete.
held as (
    select distinct
        provider,
        _symbol,
        instrument_id,
        session_date
    from silver.bar_versions
),

asked as (
    select distinct
        held.instrument_id,
        held.session_date
    from held
    inner join new_requests
        on
            held.provider = new_requests.provider
            and held._symbol = new_requests.symbol
            -- A day wider on both sides than any time zone needs.
            and held.session_date >= cast(new_requests.start_at as date) - 1
            and held.session_date <= cast(new_requests.end_at as date) + 1
),

final as (
    select * from new_records
    union
    select * from asked
)
{% endif %}

select * from final
order by instrument_id, session_date
