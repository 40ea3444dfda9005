with history as (
    select * from {{ ref('int_instruments__history') }}
),

bars as (
    select * from {{ ref('bars') }}
),

listed as (
    select
        instrument_id,
        asset_class,
        symbol,
        name,
        exchange,
        currency,
        status,
        provider,
        false as is_inferred,
        valid_from,
        valid_to
    from history
),

spoken_of as (
    select
        instrument_id,
        min(bar_start_at) as first_at
    from bars
    group by instrument_id
    union all
    select
        instrument_id,
        min(available_at) as first_at
    from {{ ref('corporate_actions') }}
    group by instrument_id
    union all
    select
        instrument_id,
        min(bar_start_at) as first_at
    from {{ ref('quote_bars') }}
    group by instrument_id
    union all
    select
        instrument_id,
        min(traded_at) as first_at
    from {{ ref('trades') }}
    group by instrument_id
    union all
    select
        instrument_id,
        min(quoted_at) as first_at
    from {{ ref('quotes') }}
    group by instrument_id
),

-- Instruments that no vendor lists are known from what is said of them.
inferred as (
    select
        spoken_of.instrument_id,
        split_part(spoken_of.instrument_id, ':', 1) as asset_class,
        split_part(spoken_of.instrument_id, ':', 2) as symbol,
        cast(null as varchar) as name,
        cast(null as varchar) as exchange,
        cast(null as varchar) as currency,
        'unlisted' as status,
        cast(null as varchar) as provider,
        true as is_inferred,
        min(spoken_of.first_at) as valid_from,
        timestamp '9999-12-31' as valid_to
    from spoken_of
    anti join listed on spoken_of.instrument_id = listed.instrument_id
    group by all
),

versions_and_inferred as (
    select * from listed
    union all
    select * from inferred
),

final as (
    select
        {{ surrogate_key(['instrument_id', 'valid_from']) }} as instrument_key,
        *,
        symbol like 'SIM-%' as is_simulated,
        valid_to = timestamp '9999-12-31' as is_current
    from versions_and_inferred
)

select * from final
order by instrument_id, valid_from
