{% macro ticks_with_instruments(staged, moment) %}
    {#- Staged trades or quotes with the instrument that their symbol was at the time. -#}
select
    staged.*,
    asset_classes.calendar,
    coalesce(staged.given_instrument_id, symbol_map.instrument_id) as instrument_id
from {{ staged }} as staged
left join {{ ref('asset_classes') }} as asset_classes
    on staged.asset_class = asset_classes.asset_class
left join {{ ref('int_instruments__symbol_map') }} as symbol_map
    on
        staged.provider = symbol_map.provider
        and staged.provider_symbol = symbol_map.provider_symbol
        and staged.asset_class = symbol_map.asset_class
        and staged.{{ moment }} >= symbol_map.valid_from
        and staged.{{ moment }} < symbol_map.valid_to
{%- endmacro %}


{% macro trade_rules() %}
    {#- Why a trade is not good enough for Silver, as `bar_rules`. Cancellations need no price. -#}
    {%- do return([
        (
            'missing_value',
            "provider_symbol is null or trade_id is null or traded_at_text is null"
            ~ " or (kind <> 'cancel' and (price_text is null or size_text is null))"
            ~ " or (kind = 'correction' and original_trade_id is null)"
        ),
        ('unknown_trade_kind', "coalesce(kind, '') not in ('trade', 'correction', 'cancel')"),
        ('negative_price', 'price < 0 and isfinite(price)'),
        ('zero_price', "price = 0 and kind <> 'cancel'"),
    ] + _tick_rules('traded_at', ['price', 'size'], ['size'])) -%}
{% endmacro %}


{% macro quote_rules() %}
    {#- Why a quote is not good enough for Silver, as `bar_rules`. A price of zero is no quote. -#}
    {%- do return([
        (
            'missing_value',
            'provider_symbol is null or quoted_at_text is null'
            ~ ' or (bid_price_text is null and ask_price_text is null)'
        ),
        (
            'negative_price',
            '(bid_price < 0 and isfinite(bid_price)) or (ask_price < 0 and isfinite(ask_price))'
        ),
    ] + _tick_rules(
        'quoted_at', ['bid_price', 'bid_size', 'ask_price', 'ask_size'], ['bid_size', 'ask_size']
    )) -%}
{% endmacro %}


{% macro _tick_rules(moment, numbers, sizes) %}
    {#- The rules that trades and quotes share. The exchange's clock may be ahead of the loader's. -#}
    {%- do return([
        ('not_a_number', unreadable_numbers(numbers)),
        ('unreadable_time', moment ~ '_text is not null and ' ~ moment ~ ' is null'),
        ('unknown_asset_class', 'calendar is null'),
        (
            'unmapped_symbol',
            'instrument_id is null and provider_symbol is not null and calendar is not null and '
            ~ moment ~ ' is not null'
        ),
        (
            'reserved_instrument',
            "provider <> 'simulator' and split_part(instrument_id, ':', 2) like 'SIM-%'"
        ),
        ('negative_volume', sizes | join(' < 0 or ') ~ ' < 0'),
        ('time_in_future', moment ~ ' > _fetched_at + interval 1 minute'),
    ]) -%}
{% endmacro %}
