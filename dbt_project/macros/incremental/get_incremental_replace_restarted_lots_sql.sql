{% macro get_incremental_replace_restarted_lots_sql(arg_dict) %}
    {#- Incremental strategy: replace every lot that was not closed when its position restarts. -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }} as lots
    using {{ ref('int_positions__restarts') }} as restarts
    where
        lots.account_id = restarts.account_id
        and lots.instrument_id = restarts.instrument_id
        and (lots.closed_at is null or lots.closed_at >= restarts.restart_at);
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
