{% macro standard_quote_bar(
    asset_class, symbol, timeframe, start, bid_open, bid_high, bid_low, bid_close, ask_open,
    ask_high, ask_low, ask_close, volume='null', start_at=none, instrument_id='null',
    provider='_provider'
) %}
    {#-
        The columns every staging model of bid and ask bars has; `int_quote_bars__staged` describes
        them. Arguments as those of `standard_bar`.
    -#}
    {{ provider }} as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    trim({{ timeframe }}) as timeframe,
    {{ sent_text(start) }} as start_text,
    {{ sent_numbers({
        'bid_open': bid_open, 'bid_high': bid_high, 'bid_low': bid_low, 'bid_close': bid_close,
        'ask_open': ask_open, 'ask_high': ask_high, 'ask_low': ask_low, 'ask_close': ask_close,
        'volume': volume
    }) }},
    {{ start_at or utc_timestamp(start) }} as bar_start_at,
    {{ lineage() }}
{%- endmacro %}
