with source as (
    select * from {{ lake_source('inbox', 'corporate_actions') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='symbol',
            asset_class='asset_class',
            action_type='action_type',
            ex_date='ex_date',
            ratio='ratio',
            amount='amount',
            currency='currency',
            new_symbol='new_symbol',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')"
        ) }}
    from source
)

select * from final
