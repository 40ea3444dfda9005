with source as (
    select * from {{ lake_source('inbox', 'executions') }}
),

final as (
    select
        _provider as provider,
        nullif(trim(execution_id), '') as execution_id,
        nullif(trim(order_id), '') as order_id,
        nullif(trim(decision_id), '') as decision_id,
        nullif(trim(account_id), '') as account_id,
        nullif(trim(strategy), '') as strategy,
        lower(trim(asset_class)) || ':' || nullif(trim(symbol), '') as instrument_id,
        lower(trim(asset_class)) as asset_class,
        nullif(trim(symbol), '') as symbol,
        lower(trim(side)) as side,
        nullif(trim(quote_currency), '') as quote_currency,
        nullif(trim(fee_currency), '') as fee_currency,
        nullif(trim(venue), '') as venue,
        nullif(trim(executed_at), '') as executed_at_text,
        nullif(trim(quantity), '') as quantity_text,
        nullif(trim(price), '') as price_text,
        nullif(trim(fee), '') as fee_text,
        {{ utc_timestamp('executed_at') }} as executed_at,
        try_cast(quantity as decimal(38, 18)) as quantity,
        try_cast(price as decimal(38, 18)) as price,
        try_cast(fee as decimal(38, 18)) as fee,
        {{ lineage() }}
    from source
)

select * from final
