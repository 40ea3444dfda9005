with source as (
    select * from {{ lake_source('exchange_calendars', 'sessions') }}
),

final as (
    select
        _provider as provider,
        calendar,
        library_version,
        {{ calendar_date('session_date') }} as session_date,
        {{ utc_timestamp('open_at') }} as open_at,
        {{ utc_timestamp('close_at') }} as close_at,
        try_cast(is_early_close as boolean) as is_early_close,
        {{ lineage() }}
    from source
)

select * from final
