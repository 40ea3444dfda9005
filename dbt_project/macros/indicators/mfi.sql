{% macro mfi(typical_price, change, volume, period, partition_by='series_no', order_by='bar_no', bar_no='bar_no') -%}
    {#-
        Money flow index: the share of turnover on bars whose typical price rose, of that on bars whose
        price moved, 0 to 100. `change` is the typical price's change, 0 where it is only rounding.
    -#}
    {%- set up = rolling("sum(case when " ~ change ~ " > 0 then " ~ typical_price ~ " * " ~ volume
        ~ " else 0.0e0 end)", period, partition_by, order_by) -%}
    {%- set down = rolling("sum(case when " ~ change ~ " < 0 then " ~ typical_price ~ " * " ~ volume
        ~ " else 0.0e0 end)", period, partition_by, order_by) -%}
    {{ from_bar(period, "case when " ~ up ~ " + " ~ down ~ " > 0 then 100.0e0 * " ~ up ~ " / (" ~ up ~ " + "
        ~ down ~ ") else 0.0e0 end", bar_no) }}
{%- endmacro %}


{% macro change(price, previous_price) -%}
    {#- The price's change, 0 where it is only rounding. -#}
    case when {{ same(price, previous_price) }} then 0.0e0 else {{ price }} - {{ previous_price }} end
{%- endmacro %}
