{% macro standard_bar(
    asset_class, symbol, timeframe, start, start_at=none, instrument_id='null', volume='volume',
    adj_close='null', vwap='null', trade_count='null'
) %}
    {#-
        The columns every bar staging model has, in one order: names, text as sent, typed values,
        lineage. Arguments are SQL expressions over the lake's text columns; `start_at` is only
        needed where the start is not a date or time (epoch seconds, say). Values that cannot be
        cast become NULL here and a reason in quarantine.
    -#}
    {%- set texts = {
        'open': 'open', 'high': 'high', 'low': 'low', 'close': 'close', 'volume': volume,
        'adj_close': adj_close, 'vwap': vwap, 'trade_count': trade_count
    } -%}
    _provider as provider,
    nullif(trim({{ symbol }}), '') as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    trim({{ timeframe }}) as timeframe,
    nullif(trim({{ start }}), '') as start_text,
    {%- for name, text in texts.items() %}
    nullif(trim(cast({{ text }} as varchar)), '') as {{ name }}_text,
    {%- endfor %}
    {{ start_at or utc_timestamp(start) }} as bar_start_at,
    {%- for name, text in texts.items() %}
    try_cast({{ text }} as {{ 'bigint' if name == 'trade_count' else 'double' }}) as {{ name }},
    {%- endfor %}
    {{ lineage() }}
{%- endmacro %}


{% macro lineage() %}
    {#- The lake's lineage, with its time as a plain UTC timestamp. -#}
    _extra,
    _symbol,
    cast(_fetched_at as timestamp) as _fetched_at,
    _batch_id,
    _row
{%- endmacro %}
