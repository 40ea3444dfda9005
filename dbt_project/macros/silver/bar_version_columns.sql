{% macro bar_version_columns(relation_alias=none) %}
    {#- What a bar record is, before versions are compared: identity, values, lineage. -#}
    {%- set prefix = relation_alias ~ '.' if relation_alias else '' -%}
    {%- for column in [
        'instrument_id', 'asset_class', 'timeframe', 'bar_start_at', 'bar_end_at', 'session_date',
        'provider', 'provider_symbol', 'open', 'high', 'low', 'close', 'volume', 'adj_close', 'vwap',
        'trade_count', '_symbol', '_fetched_at', '_batch_id', '_row'
    ] %}
        {{ prefix }}{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro bar_values() %}
    {#- What a provider says of a bar, as one comparable value. -#}
    row(open, high, low, close, volume, adj_close, vwap, trade_count)
{%- endmacro %}


{% macro quote_bar_values() %}
    {#- What a provider says of a bid and ask bar, as one comparable value. -#}
    row(
            bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close, volume
        )
{%- endmacro %}
