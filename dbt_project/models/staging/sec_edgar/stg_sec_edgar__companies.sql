with source as (
    select * from {{ lake_source('sec_edgar', 'companies') }}
),

-- A company keeps its number, but has as many tickers as classes of shares.
final as (
    select
        {{ standard_listing(
            listing_id="lpad(trim(cik), 10, '0') || ':' || upper(trim(ticker))",
            asset_class="'equity'",
            provider_symbol='upper(ticker)',
            symbol=canonical_symbol('ticker', "'equity'", share_class='-'),
            name='name',
            exchange='exchange',
            currency='null',
            status="'active'",
            effective_date='null',
            issuer_id="lpad(trim(cik), 10, '0')"
        ) }}
    from source
)

select * from final
