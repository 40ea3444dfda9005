{% macro number_key(columns) %}
    {#-
        A number that stands for a combination of values, for grouping and sorting by many columns:
        128 bits of a hash, delimited, NULL told from ''. Not stored: `surrogate_key` is for that.
    -#}
    md5_number(concat_ws(
        '|',
        {%- for column in columns %}
        coalesce(cast({{ column }} as varchar), '<null>'){{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
