with source as (
    select * from {{ lake_source('serve', 'trades') }}
),

final as (
    select
        {{ standard_trade(
            asset_class='asset_class',
            symbol='symbol',
            trade_id="source || ':' || trade_id",
            traded_at='traded_at',
            price='price',
            size='size',
            side='side',
            conditions='conditions',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')"
        ) }}
    from source
)

select * from final
