with source as (
    select * from {{ lake_source('fmp', 'company_profiles') }}
),

final as (
    select
        {{ standard_listing(
            listing_id="coalesce(nullif(trim(isin), '') || ':' || upper(currency), upper(symbol))",
            asset_class="'equity'",
            provider_symbol='symbol',
            symbol=canonical_symbol('symbol', "'equity'", share_class='-'),
            name='company_name',
            exchange='exchange',
            currency='currency',
            status="case is_actively_trading when 'true' then 'active' when 'false' then 'inactive' end",
            effective_date='null'
        ) }}
    from source
)

select * from final
