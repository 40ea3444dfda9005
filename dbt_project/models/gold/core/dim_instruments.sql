with versions as (
    select * from {{ ref('int_instruments__versions') }}
),

bars as (
    select * from {{ ref('bars') }}
),

precedence as (
    select * from {{ ref('bar_precedence') }}
),

-- Where several vendors list an instrument, one of them describes it.
described_by as (
    select
        versions.instrument_id,
        versions.provider,
        versions.listing_id
    from versions
    left join precedence on versions.provider = precedence.provider
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

-- Instruments that no vendor lists are known from their bars alone.
inferred as (
    select
        bars.instrument_id,
        split_part(bars.instrument_id, ':', 1) as asset_class,
        split_part(bars.instrument_id, ':', 2) as symbol,
        cast(null as varchar) as name,
        cast(null as varchar) as exchange,
        cast(null as varchar) as currency,
        'unlisted' as status,
        cast(null as varchar) as provider,
        true as is_inferred,
        min(bars.bar_start_at) as valid_from,
        timestamp '9999-12-31' as valid_to
    from bars
    anti join listed on bars.instrument_id = listed.instrument_id
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
