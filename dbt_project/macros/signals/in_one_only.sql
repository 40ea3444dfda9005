{% macro in_one_only(one, other) -%}
    {#- The rows that one of two relations has and the other has not. -#}
    (select * from {{ one }} except select * from {{ other }})
    union all
    (select * from {{ other }} except select * from {{ one }})
{%- endmacro %}
