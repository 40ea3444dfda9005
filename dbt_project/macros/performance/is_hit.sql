{% macro is_hit(direction, forward_return) -%}
    {#-
        Whether the price went where it was said to go: not, where it stayed as it was. NULL for a hold,
        and until the return is known.
    -#}
    case when {{ direction }} <> 0 then {{ direction }} * {{ forward_return }} > 0 end
{%- endmacro %}
