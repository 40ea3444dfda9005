{% macro reliability_bin(confidence) -%}
    {#- Which tenth a confidence of 0 to 1 is in, from 1 to 10: half-open, but that 1 is in the last. -#}
    cast(least(floor({{ confidence }} * 10) + 1, 10) as integer)
{%- endmacro %}
