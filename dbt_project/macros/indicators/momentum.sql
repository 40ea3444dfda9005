{% macro momentum(price, period, partition_by='series_no', order_by='bar_no') -%}
    {#- The price's change over `period` bars. -#}
    {{ price }} - {{ earlier(price, period, partition_by, order_by) }}
{%- endmacro %}
