with source as (
    select * from {{ lake_source('alpha_vantage', 'dividends') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='_symbol',
            asset_class="'equity'",
            action_type="'dividend'",
            ex_date=given_number('ex_dividend_date'),
            amount=given_number('amount'),
            declared_date='declaration_date'
        ) }}
    from source
)

select * from final
