with source as (
    select * from {{ lake_source('sample', 'corporate_actions') }}
),

final as (
    select
        _provider as provider,
        nullif(trim(symbol), '') as provider_symbol,
        'equity' as asset_class,
        lower(trim(action_type)) as action_type,
        nullif(trim(ex_date), '') as ex_date_text,
        {{ calendar_date('ex_date') }} as ex_date,
        nullif(trim(ratio), '') as ratio_text,
        try_cast(ratio as double) as ratio,
        nullif(trim(amount), '') as amount_text,
        try_cast(amount as double) as amount,
        currency,
        {{ lineage() }}
    from source
)

select * from final
