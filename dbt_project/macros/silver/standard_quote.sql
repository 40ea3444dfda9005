{% macro standard_quote(
    asset_class, symbol, quoted_at, bid_price, bid_size, ask_price, ask_size, quoted_at_utc=none,
    instrument_id='null', provider='_provider'
) %}
    {#-
        The columns every staging model of quotes has; `int_quotes__staged` describes them. Arguments
        are SQL expressions over the lake's text columns; `quoted_at_utc` is only needed where
        `quoted_at` is not a time as text.
    -#}
    {{ provider }} as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    {{ sent_text(quoted_at) }} as quoted_at_text,
    {{ quoted_at_utc or utc_timestamp(quoted_at) }} as quoted_at,
    {{ sent_numbers({
        'bid_price': bid_price, 'bid_size': bid_size, 'ask_price': ask_price, 'ask_size': ask_size
    }) }},
    {{ lineage() }}
{%- endmacro %}
