with source as (
    select * from {{ lake_source('simulator', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='symbol',
            timeframe='timeframe',
            start='start',
            trade_count='trade_count'
        ) }}
    from source
)

select * from final
