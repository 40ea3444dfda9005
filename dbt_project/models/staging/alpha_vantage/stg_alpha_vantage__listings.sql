with source as (
    select * from {{ lake_source('alpha_vantage', 'listings') }}
),

-- The vendor has no number for a listing: its dates tell the uses of a ticker apart.
final as (
    select
        {{ standard_listing(
            listing_id='upper(symbol)',
            asset_class="'equity'",
            provider_symbol='upper(symbol)',
            symbol=canonical_symbol('symbol', "'equity'", share_class='-'),
            name="nullif(trim(name), '')",
            exchange=given_number('exchange'),
            currency="'USD'",
            status='status',
            effective_date='null',
            listed_date=given_number('ipo_date'),
            delisted_date=given_number('delisting_date')
        ) }}
    from source
)

select * from final
