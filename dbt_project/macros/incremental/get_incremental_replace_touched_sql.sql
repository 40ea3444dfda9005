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


{% macro every_instrument() -%}
    {#- What stands for an instrument's id where all of them are meant. -#}
    *
{%- endmacro %}


{% macro every_session_is_touched() %}
    {#- Whether this build has built the bars anew, so that all their rows are new. -#}
    {% if not relation_exists('staging', 'int_bars__touched_sessions') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query(
        "select count(*) from staging.int_bars__touched_sessions where instrument_id = '"
        ~ every_instrument() ~ "'"
    ) %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}


{% macro bars_are_rebuilt() %}
    {#- Whether any of the incremental bar models is built anew, so that all its rows are new. -#}
    {% if flags.FULL_REFRESH or not relation_exists('silver', 'bars') or symbol_mapping_changed() %}
        {% do return(true) %}
    {% endif %}
    {% for node in graph.nodes.values() %}
        {% if 'bars_family' in node.config.get('tags', []) and node.name in var('refresh_models') %}
            {% do return(true) %}
        {% endif %}
    {% endfor %}
    {% do return(false) %}
{% endmacro %}


{% macro touched_rows(relation) %}
    {#-
        The rows of a table that this build has written, for tests: the others were tested when they
        were written, and nothing has changed them since. All rows, where there is no build.
    -#}
    {%- if not execute or not relation_exists('staging', 'int_bars__touched_sessions') -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- if every_session_is_touched() -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- for node in graph.nodes.values() if node.name == relation.identifier -%}
        {%- if node.config.materialized == 'by_series' -%}
            {{ return(restarted_rows(
                relation, node.config.get('series_key'), node.config.get('complete_at')
            )) }}
        {%- elif node.config.get('changed_in') -%}
            {{ return(
                relation if is_rebuilt_with_family(node.config) else changed_rows(relation, node)
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(
        '(select * from ' ~ relation ~ ' where (instrument_id, session_date) in ('
        ~ 'select (instrument_id, session_date) from staging.int_bars__touched_sessions))'
    ) }}
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
