{% macro donchian(extreme, price, period, partition_by='series_no', order_by='bar_no') -%}
    {#- The highest high (`extreme` max) or lowest low (min) of `period` bars, this one included. -#}
    {{ rolling(extreme ~ '(' ~ price ~ ')', period, partition_by, order_by) }}
{%- endmacro %}


{% macro donchian_widened(extreme, channel, from_period, to_period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        The channel over `to_period` bars from the one over `from_period`: two of these, side by side or
        overlapping, are as wide. A lag costs a tenth of another rolling window.
    -#}
    {% if to_period > 2 * from_period %}
        {{ exceptions.raise_compiler_error('Two channels of ' ~ from_period ~ ' bars do not reach over ' ~ to_period ~ '.') }}
    {% endif %}
    {{- {'max': 'greatest', 'min': 'least'}[extreme] }}({{ channel }}, {{
        earlier(channel, to_period - from_period, partition_by, order_by) }})
{%- endmacro %}
