{% macro quote_bar_rules() %}
    {#-
        Why a bid and ask bar is not good enough for Silver: (reason, condition) pairs over the columns
        of `int_quote_bars__records`, as those of `bar_rules`. A bid above its ask is left: the two
        sides have their highest and lowest at different moments.
    -#}
    {%- set sides = ['bid', 'ask'] -%}
    {%- set prices = [] -%}
    {%- for side in sides -%}
        {%- for field in ['open', 'high', 'low', 'close'] -%}
            {%- do prices.append(side ~ '_' ~ field) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set listed = prices | join(', ') -%}
    {%- do return([
        (
            'missing_value',
            'provider_symbol is null or start_text is null or '
            ~ prices | join('_text is null or ') ~ '_text is null'
        ),
        ('not_a_number', unreadable_numbers(prices + ['volume'])),
        ('unreadable_time', 'start_text is not null and bar_start_at is null'),
        ('unknown_timeframe', 'timeframe_seconds is null'),
        ('unknown_asset_class', 'calendar is null'),
        (
            'unmapped_symbol',
            'instrument_id is null and provider_symbol is not null and calendar is not null'
            ~ ' and bar_start_at is not null'
        ),
        (
            'reserved_instrument',
            "provider <> 'simulator' and split_part(instrument_id, ':', 2) like 'SIM-%'"
        ),
        ('negative_price', 'least(' ~ listed ~ ') < 0'),
        ('zero_price', '0 in (' ~ listed ~ ')'),
        ('negative_volume', 'volume < 0'),
        ('high_below_low', 'bid_high < bid_low or ask_high < ask_low'),
        (
            'open_outside_range',
            '(bid_high >= bid_low and bid_open not between bid_low and bid_high)'
            ~ ' or (ask_high >= ask_low and ask_open not between ask_low and ask_high)'
        ),
        (
            'close_outside_range',
            '(bid_high >= bid_low and bid_close not between bid_low and bid_high)'
            ~ ' or (ask_high >= ask_low and ask_close not between ask_low and ask_high)'
        ),
        (
            'no_session',
            'bar_start_at <= _fetched_at and calendar is not null and session_open_at is null'
        ),
        ('unaligned_start', 'not ' ~ is_aligned()),
        ('start_in_future', 'coalesce(bar_opens_at, bar_start_at) > _fetched_at'),
    ]) -%}
{% endmacro %}
