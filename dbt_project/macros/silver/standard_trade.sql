{% macro standard_trade(
    asset_class, symbol, trade_id, traded_at, price, size, side='null', conditions='null',
    kind="'trade'", original_trade_id='null', traded_at_utc=none, instrument_id='null',
    provider='_provider'
) %}
    {#-
        The columns every staging model of trades has; `int_trades__staged` describes them. `kind` is
        `trade`, `correction` (the record says what the trade `original_trade_id` really was) or
        `cancel` (it never was). Arguments are SQL expressions over the lake's text columns;
        `traded_at_utc` is only needed where `traded_at` is not a time as text.
    -#}
    {{ provider }} as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    {{ sent_text(trade_id) }} as trade_id,
    lower(trim({{ kind }})) as kind,
    {{ sent_text(original_trade_id) }} as original_trade_id,
    {{ sent_text(traded_at) }} as traded_at_text,
    {{ traded_at_utc or utc_timestamp(traded_at) }} as traded_at,
    {{ sent_numbers({'price': price, 'size': size}) }},
    lower({{ sent_text(side) }}) as side,
    {{ sent_text(conditions) }} as conditions,
    {{ lineage() }}
{%- endmacro %}
