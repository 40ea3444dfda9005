with source as (
    select * from {{ lake_source('oanda', 'bars') }}
),

-- A day starts at 17:00 in New York, seven hours before its date does.
labelled as (
    {{ labelled_by_session('source', 'time', 'America/New_York', hours_before=7) }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'fx'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='time',
            start_at='labelled_at',
            open='mid_open',
            high='mid_high',
            low='mid_low',
            close='mid_close',
            volume='null'
        ) }}
    from labelled
)

select * from final
