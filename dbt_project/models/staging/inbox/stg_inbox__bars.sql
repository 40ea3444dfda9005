with source as (
    select * from {{ lake_source('inbox', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class='asset_class',
            symbol='symbol',
            timeframe='timeframe',
            start='bar_start_at',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')",
            adj_close='adj_close',
            vwap='vwap',
            trade_count='trade_count'
        ) }}
    from source
)

select * from final
