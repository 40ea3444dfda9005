{% macro reasons(rules) %}
    {#- The codes of the rules a row breaks, as a list, empty for a good row. Rules are
        (code, condition) pairs; a condition that is NULL does not fire. -#}
    list_filter(
        [
            {%- for code, condition in rules %}
            case when {{ condition }} then '{{ code }}' end{{ ',' if not loop.last }}
            {%- endfor %}
        ],
        lambda reason: reason is not null
    )
{%- endmacro %}


{% macro is_clean(rules) %}
    {#- Whether a row breaks none of the rules: the same conditions, without building a list. -#}
    not (
        {%- for _, condition in rules %}
        coalesce({{ condition }}, false){{ ' or' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
