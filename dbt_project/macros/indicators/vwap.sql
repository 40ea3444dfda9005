{% macro vwap(typical_price, volume, period, partition_by='series_no', order_by='bar_no', bar_no='bar_no') -%}
    {#- Volume-weighted average of the typical price over `period` bars; NULL where none was traded. -#}
    {{ from_bar(period - 1, rolling("sum(" ~ typical_price ~ " * " ~ volume ~ ")", period, partition_by, order_by)
        ~ " / nullif(" ~ rolling("sum(" ~ volume ~ ")", period, partition_by, order_by) ~ ", 0)", bar_no) }}
{%- endmacro %}
