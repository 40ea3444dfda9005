{% macro sma(price, period, partition_by='series_no', order_by='bar_no') -%}
    {#- Simple moving average; from bar `period` - 1 on. -#}
    {{ from_bar(period - 1, rolling('avg(' ~ price ~ ')', period, partition_by, order_by)) }}
{%- endmacro %}
