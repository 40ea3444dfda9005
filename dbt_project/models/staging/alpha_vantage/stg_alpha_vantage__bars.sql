with source as (
    select * from {{ lake_source('alpha_vantage', 'bars') }}
),

-- Labels are naive; the answer says of which zone. Days are dates of sessions.
started as (
    select
        *,
        case
            when _timeframe = '1d' or time_zone = 'UTC' then {{ utc_timestamp('time') }}
            when time_zone = 'US/Eastern'
                then {{ utc_from_zoned_text('time', 'America/New_York') }}
        end as started_at,
        case when asset_class in ('crypto', 'fx') then asset_class || ':' || _symbol end as pair_id,
        -- A day of currencies is one of UTC: no session, which `1d` means.
        case
            when asset_class = 'fx' and _timeframe = '1d' then '1d of UTC'
            else _timeframe
        end as given_timeframe
    from source
),

final as (
    select
        {{ standard_bar(
            asset_class='asset_class',
            symbol='_symbol',
            timeframe='given_timeframe',
            start='time',
            start_at='started_at',
            instrument_id='pair_id'
        ) }}
    from started
)

select * from final
