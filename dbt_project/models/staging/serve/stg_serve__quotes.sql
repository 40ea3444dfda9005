with source as (
    select * from {{ lake_source('serve', 'quotes') }}
),

final as (
    select
        {{ standard_quote(
            asset_class='asset_class',
            symbol='symbol',
            quoted_at='quoted_at',
            bid_price='bid_price',
            bid_size='bid_size',
            ask_price='ask_price',
            ask_size='ask_size',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')"
        ) }}
    from source
)

select * from final
