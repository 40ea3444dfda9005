with source as (
    select * from {{ lake_source('kraken', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='time',
            start_at=utc_from_epoch('time'),
            vwap='vwap',
            trade_count='count'
        ) }}
    from source
)

select * from final
