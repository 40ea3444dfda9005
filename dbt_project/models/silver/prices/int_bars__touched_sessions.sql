-- depends_on: {{ ref('int_bars__remapped_symbols') }}, {{ ref('int_bars__records') }}
-- depends_on: {{ ref('load_requests') }}
{{ config(schema='staging') }}
{%- set batch_ids = unprocessed_batches() -%}

{#- The series held so far are named, not referenced: they are built after this, from it. -#}
{% if batch_ids and relation_exists('silver', 'int_bars__series') %}
with new_records as (
    select distinct
        provider,
        _symbol,
        instrument_id,
        timeframe,
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

held as (
    select * from silver.int_bars__series
),

held_sessions as (
    select distinct
        instrument_id,
        session_date
    from held
),

asked_instruments as (
    select
        provider,
        _symbol,
        instrument_id
    from held
    union
    select
        provider,
        _symbol,
        instrument_id
    from new_records
),

-- An answer without rows, or one that only confirms, can make bars final or buckets complete; and
-- one without rows of a session that another vendor has bars of says that this one has none.
asked as (
    select distinct
        held_sessions.instrument_id,
        held_sessions.session_date
    from new_requests
    inner join asked_instruments
        on
            new_requests.provider = asked_instruments.provider
            and new_requests.symbol = asked_instruments._symbol
    inner join held_sessions
        on
            asked_instruments.instrument_id = held_sessions.instrument_id
            -- A day wider on both sides than any time zone needs.
            and held_sessions.session_date >= cast(new_requests.start_at as date) - 1
            and held_sessions.session_date <= cast(new_requests.end_at as date) + 1
),

new_beginnings as (
    select
        provider,
        instrument_id,
        timeframe,
        min(session_date) as begins_on
    from new_records
    group by all
),

held_beginnings as (
    select
        provider,
        instrument_id,
        timeframe,
        min(session_date) as begins_on
    from held
    group by all
),

-- What a vendor was asked for and does not have means something from its first bar on: where that
-- is earlier now, of the sessions between, too, whenever they were asked for.
begun as (
    select distinct
        held_sessions.instrument_id,
        held_sessions.session_date
    from new_beginnings
    left join held_beginnings
        on
            new_beginnings.provider = held_beginnings.provider
            and new_beginnings.instrument_id = held_beginnings.instrument_id
            and new_beginnings.timeframe = held_beginnings.timeframe
    inner join held_sessions
        on
            new_beginnings.instrument_id = held_sessions.instrument_id
            and new_beginnings.begins_on <= held_sessions.session_date
    where
        held_beginnings.begins_on is null
        or (
            new_beginnings.begins_on < held_beginnings.begins_on
            and held_sessions.session_date <= held_beginnings.begins_on
        )
),

touched as (
    select
        instrument_id,
        session_date
    from new_records
    union
    select * from asked
    union
    select * from begun
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
        '{{ every_instrument() }}' as instrument_id,
        date '1970-01-01' as session_date
    {% endif %}
)

select * from final
order by instrument_id, session_date
