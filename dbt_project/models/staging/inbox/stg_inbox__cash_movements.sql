with source as (
    select * from {{ lake_source('inbox', 'cash_movements') }}
),

final as (
    select
        _provider as provider,
        nullif(trim(movement_id), '') as movement_id,
        nullif(trim(account_id), '') as account_id,
        nullif(trim(currency), '') as currency,
        lower(trim(kind)) as kind,
        nullif(trim(moved_at), '') as moved_at_text,
        nullif(trim(amount), '') as amount_text,
        {{ utc_timestamp('moved_at') }} as moved_at,
        try_cast(amount as decimal(38, 18)) as amount,
        {{ lineage() }}
    from source
)

select * from final
