{% macro bps(value, base) -%}
    {#- How far a price is from another, in hundredths of a percent of the other. -#}
    (1e4 * ({{ value }} / {{ base }} - 1))
{%- endmacro %}
