{% macro bar_rules() %}
    {#-
        Why a bar record is not good enough for Silver: (reason, condition) pairs over the columns of
        `int_bars__records`. Range rules need positive prices, and what is beside the range needs a
        range, so that a bad record carries the reasons that explain it and not their consequences.
        Meanings are in `rules.quarantine_reasons`.
    -#}
    {%- set numbers = [
        'open', 'high', 'low', 'close', 'volume', 'adj_close', 'vwap', 'trade_count'
    ] -%}
    {%- set lowest = 'least(open, high, low, close)' -%}
    {%- set are_finite = 'isfinite(open) and isfinite(high) and isfinite(low) and isfinite(close)' -%}
    {%- set are_prices = lowest ~ ' > 0 and ' ~ are_finite -%}
    {%- do return([
        (
            'missing_value',
            'provider_symbol is null or start_text is null or open_text is null'
            ~ ' or high_text is null or low_text is null or close_text is null'
        ),
        ('not_a_number', unreadable_numbers(numbers)),
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
        ('negative_price', lowest ~ ' < 0 and ' ~ are_finite),
        ('zero_price', '0 in (open, high, low, close)'),
        ('negative_volume', '(volume < 0 and isfinite(volume)) or trade_count < 0'),
        ('high_below_low', are_prices ~ ' and high < low'),
        (
            'open_outside_range',
            are_prices ~ ' and high >= low and open not between low and high'
        ),
        (
            'close_outside_range',
            are_prices ~ ' and high >= low and close not between low and high'
        ),
        (
            'no_session',
            'bar_start_at <= _fetched_at and calendar is not null and session_open_at is null'
        ),
        ('unaligned_start', 'not ' ~ is_aligned()),
        ('start_in_future', 'coalesce(bar_opens_at, bar_start_at) > _fetched_at'),
    ]) -%}
{% endmacro %}


{% macro is_aligned() %}
    {#-
        Whether a bar starts on its grid. Daily bars are labelled midnight of their session date; up
        to a quarter of an hour counts from the hour; longer bars count from the session's open.
    -#}
    {%- set step = '(cast(timeframe_seconds as bigint) * 1000000)' %}
    case
        when timeframe = '1d' then bar_start_at = date_trunc('day', bar_start_at)
        when timeframe_seconds <= 900 then epoch_us(bar_start_at) % {{ step }} = 0
        else
            epoch_us(bar_start_at - (session_open_at - timestamp '1970-01-01')) % {{ step }} = 0
    end
{%- endmacro %}
