with source as (
    select * from {{ lake_source('alpaca', 'bars') }}
),

-- The volume fell about 600 times on 2023-06-15 while prices went on: only the prices can be used.
final as (
    select
        {{ standard_bar(
            asset_class="'crypto'",
            symbol='coalesce(stream_symbol, _symbol)',
            timeframe='_timeframe',
            start='time',
            volume='null'
        ) }}
    from source
)

select * from final
