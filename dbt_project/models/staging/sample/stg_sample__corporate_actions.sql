with source as (
    select * from {{ lake_source('sample', 'corporate_actions') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='symbol',
            asset_class="'equity'",
            action_type='action_type',
            ex_date='ex_date',
            ratio='ratio',
            amount='amount',
            currency='currency'
        ) }}
    from source
)

select * from final
