{% macro get_incremental_replace_since_sql(arg_dict) %}
    {#- Incremental strategy: replace what accounts have from the first date on that may be another. -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }} as kept
    using {{ ref('int_accounts__changed') }} as changed
    where kept.account_id = changed.account_id and kept.date >= changed.changed_from;
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}


{% macro changed_since(relation_alias, date) %}
    {#- In an incremental run, the join that keeps only what such a strategy replaces; else nothing. -#}
    {%- set changed = ref('int_accounts__changed') -%}
    {%- if is_incremental() %}
    inner join {{ changed }} as changed
        on
            {{ relation_alias }}.account_id = changed.account_id
            and {{ date }} >= changed.changed_from
    {%- endif %}
{%- endmacro %}
