{% macro get_incremental_replace_changed_sql(arg_dict) %}
    {#-
        Incremental strategy: replace every row whose key (config: `changed_key`, a column or a list of
        them) is in the model that lists what may have changed (config: `changed_in`). As what is gone
        is listed, too, nothing is left behind.
    -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set key = key_of_columns(config.require('changed_key')) -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ key }} in (select {{ key }} from {{ ref(config.require('changed_in')) }});
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}


{% macro key_of_columns(columns) %}
    {#- One value of a column, or of several. -#}
    {% do return(columns if columns is string else '(' ~ columns | join(', ') ~ ')') %}
{% endmacro %}


{% macro changed_only(relation_alias, changed_in, key) %}
    {#-
        In an incremental run, the semi join that keeps only what may have changed; else nothing. The
        model that lists it, and its key, are those of the config; while dbt parses, that says nothing.
    -#}
    {%- set changed = ref(changed_in) -%}
    {%- if is_incremental() %}
    semi join {{ changed }} as changed on {{ relation_alias }}.{{ key }} = changed.{{ key }}
    {%- endif %}
{%- endmacro %}


{% macro changed_rows(relation, node) %}
    {#- The rows of such a table that this build may have written, as a subquery. -#}
    {% set key = key_of_columns(node.config.get('changed_key')) %}
    {% do return(
        '(select * from ' ~ relation ~ ' where ' ~ key ~ ' in (select ' ~ key ~ ' from staging.'
        ~ node.config.get('changed_in') ~ '))'
    ) %}
{% endmacro %}
