with source as (
    select * from {{ lake_source('serve', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class='asset_class',
            symbol='symbol',
            timeframe='timeframe',
            start='bar_start_at',
            vwap='vwap',
            trade_count='trade_count',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')"
        ) }}
    from source
)

select * from final
