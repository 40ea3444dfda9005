{% macro ratio_of_positive(numerator, denominator) -%}
    {#- A ratio that means something only by what is above zero: NULL otherwise, and never infinite. -#}
    case
            when {{ denominator }} > 0 and isfinite({{ numerator }} / {{ denominator }})
                then {{ numerator }} / {{ denominator }}
        end
{%- endmacro %}
