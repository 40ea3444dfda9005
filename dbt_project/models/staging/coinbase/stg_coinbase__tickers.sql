with source as (
    select * from {{ lake_source('coinbase', 'tickers') }}
),

final as (
    select
        {{ standard_quote(
            asset_class="'crypto'",
            symbol='product_id',
            quoted_at='time',
            bid_price='best_bid',
            bid_size='best_bid_size',
            ask_price='best_ask',
            ask_size='best_ask_size'
        ) }}
    from source
)

select * from final
