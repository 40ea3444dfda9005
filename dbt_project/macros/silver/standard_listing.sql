{% macro standard_listing(
    listing_id='listing_id', asset_class='asset_class', provider_symbol='symbol', symbol='symbol',
    name='name', exchange='exchange', currency='currency', status='status',
    effective_date='effective_date', listed_date='null', delisted_date='null', issuer_id='null',
    provider='_provider'
) %}
    {#-
        The columns every listing staging model has; `int_instruments__staged` describes them.
        `listing_id` is what the vendor never changes about an instrument; `symbol` is the
        canonical spelling of `provider_symbol` (see `canonical_symbol`). Vendors that give no date
        pass `effective_date='null'`: their listings count from when they were seen, or from
        `listed_date` to `delisted_date` where they say when trading began and ended. A vendor whose
        `listing_id` goes with the ticker passes the company as `issuer_id` if it has a number for it.
    -#}
    {{ provider }} as provider,
    nullif(trim({{ listing_id }}), '') as listing_id,
    lower(trim({{ asset_class }})) as asset_class,
    nullif(trim({{ provider_symbol }}), '') as provider_symbol,
    nullif(trim({{ symbol }}), '') as symbol,
    cast({{ name }} as varchar) as name,
    cast({{ exchange }} as varchar) as exchange,
    cast({{ currency }} as varchar) as currency,
    lower(cast({{ status }} as varchar)) as status,
    cast({{ effective_date }} as varchar) as effective_text,
    {{ utc_timestamp(effective_date) }} as effective_at,
    cast({{ listed_date }} as varchar) as listed_text,
    {{ utc_timestamp(listed_date) }} as listed_at,
    cast({{ delisted_date }} as varchar) as delisted_text,
    {{ utc_timestamp(delisted_date) }} as delisted_at,
    cast({{ issuer_id }} as varchar) as issuer_id,
    {{ lineage() }}
{%- endmacro %}
