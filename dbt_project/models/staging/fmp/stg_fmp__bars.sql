with source as (
    select * from {{ lake_source('fmp', 'bars') }}
),

-- Raw days are in the columns the vendor calls adjusted; bars within the day are asked unadjusted.
started as (
    select
        *,
        case
            when _timeframe = '1d' then {{ utc_timestamp('date') }}
            else {{ utc_from_zoned_text('date', 'America/New_York') }}
        end as started_at,
        case when _timeframe = '1d' then adj_open else open end as raw_open,
        case when _timeframe = '1d' then adj_high else high end as raw_high,
        case when _timeframe = '1d' then adj_low else low end as raw_low,
        case when _timeframe = '1d' then adj_close else close end as raw_close
    from source
),

final as (
    select
        {{ standard_bar(
            asset_class="'equity'",
            symbol='_symbol',
            timeframe='_timeframe',
            start='date',
            start_at='started_at',
            open='raw_open',
            high='raw_high',
            low='raw_low',
            close='raw_close'
        ) }}
    from started
)

select * from final
