{% macro forward_horizons() %}
    {#- After how many bars of its timeframe a decision or vote is judged. -#}
    {% do return([1, 5, 20]) %}
{% endmacro %}


{% macro after_bars(name, bars) -%}
    {#- The column of a measure at a horizon: `return_1_bar`, `return_5_bars`. -#}
    {{ name }}_{{ bars }}_{{ 'bar' if bars == 1 else 'bars' }}
{%- endmacro %}
