{% macro standard_listing(
    listing_id='listing_id', asset_class='asset_class', provider_symbol='symbol', symbol='symbol',
    name='name', exchange='exchange', currency='currency', status='status',
    effective_date='effective_date'
) %}
    {#-
        The columns every listing staging model has. `listing_id` is what the vendor never changes
        about an instrument; `symbol` is the canonical spelling of `provider_symbol`. Vendors that
        give no date pass `effective_date='null'`: their listings count from when they were seen.
    -#}
    _provider as provider,
    nullif(trim({{ listing_id }}), '') as listing_id,
    lower(trim({{ asset_class }})) as asset_class,
    nullif(trim({{ provider_symbol }}), '') as provider_symbol,
    nullif(trim({{ symbol }}), '') as symbol,
    {{ name }} as name,
    {{ exchange }} as exchange,
    {{ currency }} as currency,
    lower({{ status }}) as status,
    cast({{ effective_date }} as varchar) as effective_text,
    {{ utc_timestamp(effective_date) }} as effective_at,
    {{ lineage() }}
{%- endmacro %}
