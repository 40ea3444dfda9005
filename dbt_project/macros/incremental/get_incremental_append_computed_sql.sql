{% macro get_incremental_append_computed_sql(arg_dict) %}
    {#-
        Incremental strategy: append what a model in Python returns. dbt keeps that in a table that is
        no temporary one, and would leave it there.
    -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
    drop table {{ arg_dict['temp_relation'] }}
{% endmacro %}
