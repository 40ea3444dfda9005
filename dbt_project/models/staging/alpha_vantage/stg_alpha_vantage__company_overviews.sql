with source as (
    select * from {{ lake_source('alpha_vantage', 'company_overviews') }}
),

final as (
    select
        {{ standard_statement(
            symbol='symbol',
            statement="'overview'",
            period_end='cast(cast(_fetched_at as date) as varchar)',
            currency='currency',
            items='figures'
        ) }}
    from source
)

select * from final
