with source as (
    select * from {{ lake_source('alpaca', 'assets') }}
),

classed as (
    select
        *,
        case asset_class when 'us_equity' then 'equity' else asset_class end as canonical_class
    from source
),

final as (
    select
        {{ standard_listing(
            listing_id='id',
            asset_class='canonical_class',
            provider_symbol='symbol',
            symbol=canonical_symbol('symbol', 'canonical_class', share_class='.', pair='/'),
            exchange="nullif(exchange, '')",
            currency="case canonical_class when 'equity' then 'USD'"
            ~ " else nullif(split_part(symbol, '/', 2), '') end",
            effective_date='null'
        ) }}
    from classed
)

select * from final
