with source as (
    select * from {{ lake_source('alpaca', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='coalesce(stream_symbol, _symbol)',
            timeframe='_timeframe',
            start='time',
            vwap='vwap',
            trade_count='trade_count'
        ) }}
    from source
)

select * from final
