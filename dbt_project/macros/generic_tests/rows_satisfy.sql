{% test rows_satisfy(model, condition) %}
    {#- A failing row is one for which `condition` is false or NULL. -#}
    {% if not condition %}
        {{ exceptions.raise_compiler_error('rows_satisfy needs an SQL condition in `condition`.') }}
    {% endif %}
    select *
    from {{ model }}
    where not coalesce({{ condition }}, false)
{% endtest %}
