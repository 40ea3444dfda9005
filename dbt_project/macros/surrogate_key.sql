{% macro surrogate_key(columns) %}
    {#- A stable key of a row's natural key. Parts are delimited, and NULL differs from ''. -#}
    md5(concat_ws(
        '|',
        {%- for column in columns %}
        coalesce(cast({{ column }} as varchar), '<null>'){{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
