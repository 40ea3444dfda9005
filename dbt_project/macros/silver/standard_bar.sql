{% macro standard_bar(
    asset_class, symbol, timeframe, start, start_at=none, instrument_id='null', open='open',
    high='high', low='low', close='close', volume='volume', adj_close='null', vwap='null',
    trade_count='null', provider='_provider'
) %}
    {#-
        The columns every bar staging model has, in one order: names, text as sent, typed values,
        lineage. `int_bars__staged` describes them. Arguments are SQL expressions over the lake's text
        columns; `start_at` is only needed where the start is not a date or time (epoch seconds,
        local time). A `1d` bar starts at midnight UTC of its session date. Values that cannot be cast
        become NULL here and a reason in quarantine.
    -#}
    {{ provider }} as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    trim({{ timeframe }}) as timeframe,
    {{ sent_text(start) }} as start_text,
    {{ sent_numbers({
        'open': open, 'high': high, 'low': low, 'close': close, 'volume': volume,
        'adj_close': adj_close, 'vwap': vwap, 'trade_count': trade_count
    }) }},
    {{ start_at or utc_timestamp(start) }} as bar_start_at,
    {{ lineage() }}
{%- endmacro %}
