with source as (
    select * from {{ lake_source('sample', 'bars') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'equity'",
            symbol='ticker',
            timeframe='_timeframe',
            start='date',
            adj_close='adj_close'
        ) }}
    from source
)

select * from final
