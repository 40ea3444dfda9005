{%- set money = '(AED|ARS|AUD|BRL|CAD|CHF|EUR|GBP|JPY|MXN|USD)' -%}

with source as (
    select * from {{ lake_source('kraken', 'asset_pairs') }}
),

-- Kraken trades state money for state money too.
classed as (
    select
        *,
        case
            when regexp_full_match(trim(wsname), '{{ money }}/{{ money }}') then 'fx'
            else 'crypto'
        end as asset_class
    from source
),

named as (
    select
        *,
        {{ canonical_symbol(
            'wsname', 'asset_class', pair='/', currencies={'BTC': 'XBT', 'DOGE': 'XDG'}
        ) }} as symbol
    from classed
),

final as (
    select
        {{ standard_listing(
            listing_id='pair',
            provider_symbol='altname',
            name='wsname',
            exchange="'Kraken'",
            currency="split_part(symbol, '/', 2)",
            status="case when lower(status) = 'online' then 'active' else status end",
            effective_date='null'
        ) }}
    from named
)

select * from final
