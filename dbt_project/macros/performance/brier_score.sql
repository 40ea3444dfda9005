{% macro brier_score(confidence, is_hit) -%}
    {#-
        Mean squared difference between the confidence, taken as the probability of a hit, and what
        came: 0 the best, 1 the worst, 0.25 for always saying 0.5 (Brier 1950, of one class).
    -#}
    {%- set error = 'pow(' ~ confidence ~ ' - cast(' ~ is_hit ~ ' as integer), 2)' -%}
    {{ exact_average(error) }}
{%- endmacro %}
