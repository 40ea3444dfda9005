with source as (
    select * from {{ lake_source('coinbase', 'products') }}
),

final as (
    select
        {{ standard_listing(
            listing_id='id',
            asset_class="'crypto'",
            provider_symbol='id',
            symbol="base_currency || '/' || quote_currency",
            name='display_name',
            exchange="'Coinbase Exchange'",
            currency='quote_currency',
            status="case when lower(status) = 'online' then 'active' else status end",
            effective_date='null'
        ) }}
    from source
)

select * from final
