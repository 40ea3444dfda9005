with source as (
    select * from {{ lake_source('fmp', 'dividends') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='symbol',
            asset_class="'equity'",
            action_type="'dividend'",
            ex_date='date',
            amount='dividend',
            declared_date='declaration_date'
        ) }}
    from source
)

select * from final
