with source as (
    select * from {{ lake_source('oanda', 'bars') }}
),

-- A day starts at 17:00 in New York, seven hours before its date does.
labelled as (
    {{ labelled_by_session('source', 'time', 'America/New_York', hours_before=7) }}
),

final as (
    select
        {{ standard_quote_bar(
            asset_class="'fx'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='time',
            start_at='labelled_at',
            bid_open='bid_open',
            bid_high='bid_high',
            bid_low='bid_low',
            bid_close='bid_close',
            ask_open='ask_open',
            ask_high='ask_high',
            ask_low='ask_low',
            ask_close='ask_close',
            volume='volume'
        ) }}
    from labelled
)

select * from final
