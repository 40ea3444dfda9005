{% macro stochastic_fast_k(close, highest, lowest) -%}
    {#- Where the close lies between the lowest low and the highest high, 0 to 100; 0 without a range. -#}
    {{ share_of_100(close ~ ' - ' ~ lowest, highest ~ ' - ' ~ lowest) }}
{%- endmacro %}


{% macro stochastic_k(fast_k, period, partition_by='series_no', order_by='bar_no') -%}
    {#- Slow %K: `fast_k` over 3 bars. NULL until %D is there, too, as in TA-Lib. -#}
    {{ from_bar(period + 3, '(' ~ weighted_sum(fast_k, [1, 1, 1], partition_by, order_by) ~ ') / 3.0e0') }}
{%- endmacro %}


{% macro stochastic_d(fast_k, period, partition_by='series_no', order_by='bar_no') -%}
    {#- Slow %D: slow %K over 3 bars, which is `fast_k` over 5 with weights 1 2 3 2 1. -#}
    {{ from_bar(period + 3, '(' ~ weighted_sum(fast_k, [1, 2, 3, 2, 1], partition_by, order_by) ~ ') / 9.0e0') }}
{%- endmacro %}


{% macro weighted_sum(value, weights, partition_by, order_by) -%}
    {#- This bar's value times the first weight, the one before times the second, and so on. -#}
    {%- for weight in weights -%}
        {{ weight }} * {{ value if loop.first else earlier(value, loop.index0, partition_by, order_by) }}
        {{- ' + ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
