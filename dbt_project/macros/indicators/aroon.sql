{% macro aroon(price, extreme, is_extreme, period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        How recent the last `period` + 1 bars' extreme is: 100 this bar, 0 `period` bars ago. Aroon up is
        that of the highest high (`is_extreme` is >=), down of the lowest low (<=). Of several bars with the
        extreme, the latest counts, as in TA-Lib.
    -#}
    case
        when bar_no < {{ period }} then null
        when {{ price }} {{ is_extreme }} {{ extreme }} then 100.0e0
        {%- for bars in range(1, period) %}
        when {{ earlier(price, bars, partition_by, order_by) }} {{ is_extreme }} {{ extreme }}
            then {{ double(100 * (period - bars) / period) }}
        {%- endfor %}
        else 0.0e0
    end
{%- endmacro %}
