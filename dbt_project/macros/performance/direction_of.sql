{% macro direction_of(action) -%}
    {#- 1 for `buy`, -1 for `sell`, 0 for `hold`. -#}
    case {{ action }} when 'buy' then 1 when 'sell' then -1 when 'hold' then 0 end
{%- endmacro %}
