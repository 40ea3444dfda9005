{% macro roc(price, period, partition_by='series_no', order_by='bar_no') -%}
    {#- Rate of change: the price's change over `period` bars in percent of what it was. -#}
    100.0e0 * ({{ price }} / {{ earlier(price, period, partition_by, order_by) }} - 1.0e0)
{%- endmacro %}
