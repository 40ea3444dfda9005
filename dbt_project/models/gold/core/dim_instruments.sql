with versions as (
    select * from {{ ref('int_instruments__versions') }}
),

bars as (
    select * from {{ ref('bars') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'instruments'
),

-- Where several vendors list an instrument, one of them describes it.
described_by as (
    select
        versions.instrument_id,
        versions.provider,
        versions.listing_id
    from versions
    left join precedence
        on
            versions.provider = precedence.provider
            and versions.asset_class = precedence.asset_class
    qualify
        row_number() over (
            partition by versions.instrument_id
            order by
                precedence.precedence asc nulls last,
                versions.provider asc,
                versions.listing_id asc,
                versions.valid_from asc
        ) = 1
),

listed as (
    select
        versions.instrument_id,
        versions.asset_class,
        versions.symbol,
        versions.name,
        versions.exchange,
        versions.currency,
        coalesce(versions.status, 'unknown') as status,
        versions.provider,
        false as is_inferred,
        versions.valid_from,
        versions.valid_to
    from versions
    inner join described_by
        on
            versions.instrument_id = described_by.instrument_id
            and versions.provider = described_by.provider
            and versions.listing_id = described_by.listing_id
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
