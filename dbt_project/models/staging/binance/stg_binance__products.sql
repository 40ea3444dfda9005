with source as (
    select * from {{ lake_source('binance', 'products') }}
),

final as (
    select
        {{ standard_listing(
            listing_id='symbol',
            asset_class="'crypto'",
            provider_symbol='symbol',
            symbol=canonical_symbol("base_asset || '/' || quote_asset", "'crypto'", pair='/'),
            name="base_asset || '/' || quote_asset",
            exchange="'Binance'",
            currency='quote_asset',
            status="case when upper(status) = 'TRADING' then 'active' else status end",
            effective_date='null'
        ) }}
    from source
)

select * from final
