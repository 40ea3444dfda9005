with source as (
    select * from {{ lake_source('coinbase', 'matches') }}
),

-- The vendor names the maker's side.
taken as (
    select
        *,
        case lower(side) when 'buy' then 'sell' when 'sell' then 'buy' end as taker_side
    from source
),

final as (
    select
        {{ standard_trade(
            asset_class="'crypto'",
            symbol='product_id',
            trade_id='trade_id',
            traded_at='time',
            price='price',
            size='size',
            side='taker_side'
        ) }}
    from taken
)

select * from final
