{% macro cci(typical_price, period, partition_by='series_no', order_by='bar_no') -%}
    {#-
        Commodity channel index: the typical price's distance from its mean, in units of 0.015 mean
        absolute deviations; 0 where the two differ only by rounding. Lags, as they are exact and cheap.
    -#}
    {%- set mean = rolling('avg(' ~ typical_price ~ ')', period, partition_by, order_by) -%}
    {%- set deviations -%}
        abs({{ typical_price }} - {{ mean }})
        {%- for bars in range(1, period) %}
        + abs({{ earlier(typical_price, bars, partition_by, order_by) }} - {{ mean }})
        {%- endfor -%}
    {%- endset -%}
    case
        when bar_no < {{ period - 1 }} then null
        when {{ same(typical_price, mean) }} then 0.0e0
        else ({{ typical_price }} - {{ mean }}) / ({{ double(0.015 / period) }} * ({{ deviations }}))
    end
{%- endmacro %}
