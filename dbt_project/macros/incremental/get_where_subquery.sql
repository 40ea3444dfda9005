{% macro get_where_subquery(relation) %}
    {#-
        What a generic test reads. `where: touched` in its config stands for the rows this build has
        written, so that an incremental build does not test all of a large table again.
    -#}
    {% set where = config.get('where') %}
    {% if where == 'touched' %}
        {% do return(touched_rows(relation)) %}
    {% elif where %}
        {% do return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') as tested') %}
    {% endif %}
    {% do return(relation) %}
{% endmacro %}
