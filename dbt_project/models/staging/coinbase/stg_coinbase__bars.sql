with source as (
    select * from {{ lake_source('coinbase', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='time',
            start_at=utc_from_epoch_seconds('time')
        ) }}
    from source
)

select * from final
