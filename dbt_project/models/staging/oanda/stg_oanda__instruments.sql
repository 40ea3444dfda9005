with source as (
    select * from {{ lake_source('oanda', 'instruments') }}
),

classed as (
    select
        *,
        -- CFDs and metals are spelled like currencies: only the type tells them apart.
        case upper(type) when 'CURRENCY' then 'fx' else type end as asset_class
    from source
),

final as (
    select
        {{ standard_listing(
            listing_id='name',
            provider_symbol='name',
            symbol="replace(name, '_', '/')",
            name='display_name',
            exchange="'OANDA'",
            currency="split_part(name, '_', 2)",
            status="'active'",
            effective_date='null'
        ) }}
    from classed
)

select * from final
