{% macro aroon(extreme, is_extreme, bars_since, from_period, to_period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        How recent the extreme of the last `to_period` + 1 bars is: 100 this bar, 0 `to_period` bars ago. From
        the `extreme` of `from_period` bars and the bars since: two of these, side by side or overlapping,
        reach as far. Aroon up is that of the highest high (`is_extreme` is >=), down of the lowest low (<=).
    -#}
    {% set shift = to_period + 1 - from_period -%}
    {% if shift > from_period %}
        {{ exceptions.raise_compiler_error('Two windows of ' ~ from_period ~ ' bars do not reach over ' ~ (to_period + 1) ~ '.') }}
    {% endif %}
    {{- from_bar(to_period, double(100 / to_period) ~ ' * (' ~ to_period ~ ' - case when ' ~ extreme ~ ' ' ~ is_extreme ~ ' '
        ~ earlier(extreme, shift, partition_by, order_by) ~ ' then ' ~ bars_since ~ ' else ' ~ shift ~ ' + '
        ~ earlier(bars_since, shift, partition_by, order_by) ~ ' end)') }}
{%- endmacro %}


{% macro bars_since_extreme(price, extreme, is_extreme, period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        How many bars ago the extreme of `period` bars was. Of several bars with it, the latest counts, as in
        TA-Lib. Lags, as they cost a tenth of another rolling window.
    -#}
    case
        when {{ price }} {{ is_extreme }} {{ extreme }} then 0
        {%- for bars in range(1, period - 1) %}
        when {{ earlier(price, bars, partition_by, order_by) }} {{ is_extreme }} {{ extreme }} then {{ bars }}
        {%- endfor %}
        else {{ period - 1 }}
    end
{%- endmacro %}
