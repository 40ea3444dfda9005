with source as (
    select * from {{ lake_source('inbox', 'decisions') }}
),

final as (
    select
        _provider as provider,
        nullif(trim(decision_id), '') as decision_id,
        nullif(trim(account_id), '') as account_id,
        nullif(trim(strategy), '') as strategy,
        lower(trim(asset_class)) || ':' || nullif(trim(symbol), '') as instrument_id,
        lower(trim(asset_class)) as asset_class,
        nullif(trim(symbol), '') as symbol,
        trim(timeframe) as timeframe,
        lower(trim(action)) as action,
        lower(trim(method)) as method,
        nullif(trim(decided_at), '') as decided_at_text,
        nullif(trim(confidence), '') as confidence_text,
        nullif(trim(position_size), '') as position_size_text,
        {{ utc_timestamp('decided_at') }} as decided_at,
        try_cast(confidence as double) as confidence,
        try_cast(position_size as decimal(38, 18)) as position_size,
        provider_votes,
        reasoning,
        {{ lineage() }}
    from source
)

select * from final
