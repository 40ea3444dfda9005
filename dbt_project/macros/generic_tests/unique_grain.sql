{% test unique_grain(model, columns) %}
    {#- A failing row is a combination of `columns` that more than one row has. -#}
    {% if not columns %}
        {{ exceptions.raise_compiler_error('unique_grain needs at least one column in `columns`.') }}
    {% endif %}
    select
        {{ columns | join(', ') }},
        count(*) as row_count
    from {{ model }}
    group by all
    having count(*) > 1
{% endtest %}
