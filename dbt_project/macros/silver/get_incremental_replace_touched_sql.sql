{% macro get_incremental_replace_touched_sql(arg_dict) %}
    {#-
        Incremental strategy: replace every row of the sessions that new batches touch. Unlike
        `delete+insert` by the new rows' keys, it leaves nothing behind where a session has lost rows.
    -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }}
    where (instrument_id, session_date) in (
        select (instrument_id, session_date) from {{ ref('int_bars__touched_sessions') }}
    );
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}


{% macro touched_only(relation_alias) %}
    {#- In an incremental run, the semi join that keeps only touched sessions; else nothing. -#}
    {%- set touched_sessions = ref('int_bars__touched_sessions') -%}
    {%- if is_incremental() %}
    semi join {{ touched_sessions }} as touched
        on
            {{ relation_alias }}.instrument_id = touched.instrument_id
            and {{ relation_alias }}.session_date = touched.session_date
    {%- endif %}
{%- endmacro %}
