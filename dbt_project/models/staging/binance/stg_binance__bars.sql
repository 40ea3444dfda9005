with source as (
    select * from {{ lake_source('binance', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='open_time',
            start_at=utc_from_epoch('open_time'),
            trade_count='trade_count'
        ) }}
    from source
)

select * from final
