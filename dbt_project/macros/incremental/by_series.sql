{% materialization by_series, adapter='duckdb' %}
    {#-
        A table of rows per bar, built series by series: what `int_signals__restarts` lists is deleted
        from its restart on, and the model's SQL runs once per batch of series, so that memory is
        bounded however many bars there are. The SQL says `this_batch()` where it reads the restarts.

        Config: `series_key`, the columns of the table that a restart is matched by; `complete_at`, the
        column that says when the last bar a row is made of had ended, or nothing while there may be
        more (`bar_end_at`). Or `restarts`, another model that lists series and their batches: then
        the table holds these and no others.
    -#}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set restarts = ref(config.get('restarts', 'int_signals__restarts')) -%}
    {%- set key = series_key(config.get('series_key')) -%}
    {%- set columns = model.columns.keys() | join(', ') -%}
    {%- set rebuilt = existing is none or existing.is_view or config.get('restarts') is not none
        or signals_are_rebuilt() -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if rebuilt %}
        {% if existing is not none %}
            {% do adapter.drop_relation(existing) %}
        {% endif %}
        {#- Not `create_table_as`: DuckDB 2.0 loses the statistics of text in a table that is given no row
            first and more in the same transaction, and then finds none of them. -#}
        {{ get_assert_columns_equivalent(compiled_code) }}
        {% call statement('create') %}
            create table {{ target }} {{ get_table_columns_and_constraints() }}
        {% endcall %}
    {% else %}
        {% call statement('delete') %}
            delete from {{ target }} as kept
            using (
                select {{ key | join(', ') }}, min(restart_at) as restart_at
                from {{ restarts }}
                group by all
            ) as restarts
            where
                {% for column in key %}kept.{{ column }} = restarts.{{ column }} and {% endfor %}
                {{ is_restarted('kept', config.get('complete_at')) }}
        {% endcall %}
    {% endif %}

    {% set batches = run_query('select distinct batch_no from ' ~ restarts ~ ' order by batch_no') %}
    {% for batch_no in batches.columns[0].values() %}
        {% do select_batch(batch_no) %}
        {% call statement('main') %}
            insert into {{ target }} ({{ columns }})
            select {{ columns }} from ({{ compiled_code }}) as computed
        {% endcall %}
    {% endfor %}
    {% if not batches.rows %}
        {% call statement('main') %}select 'nothing to compute'{% endcall %}
    {% endif %}
    {% do select_batch(none) %}

    {% do persist_docs(target, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{% macro select_batch(batch_no) %}
    {#- Which batch the session computes; none for all rows at once. -#}
    {% if batch_no is none %}
        {% do run_query('reset variable batch_no') %}
    {% else %}
        {% do run_query('set variable batch_no = ' ~ batch_no) %}
    {% endif %}
{% endmacro %}


{% macro this_batch(restarts) -%}
    {{ restarts }}.batch_no = coalesce(getvariable('batch_no'), {{ restarts }}.batch_no)
{%- endmacro %}


{% macro signals_are_rebuilt() %}
    {#- Whether every series is computed from its first bar: then none resumes, in any of the tables. -#}
    {% if flags.FULL_REFRESH or not execute %}
        {% do return(flags.FULL_REFRESH) %}
    {% endif %}
    {% for node in graph.nodes.values()
        if node.config.materialized == 'by_series' and not node.config.get('restarts') %}
        {% if node.name in var('refresh_models') or not relation_exists(node.schema, node.name) %}
            {% do return(true) %}
        {% endif %}
    {% endfor %}
    {% do return(every_session_is_touched()) %}
{% endmacro %}


{% macro resumes_series() %}
    {#- Whether there may be series that go on from a stored row of this table. -#}
    {% do return(execute and load_cached_relation(this) is not none and not signals_are_rebuilt()) %}
{% endmacro %}


{% macro every_bar_has_a_volume() %}
    {#- Whether indicators of volume can share the windows of all others. -#}
    {% if not execute or not relation_exists('silver', 'bars') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query(
        'select count(*) from silver.bars where not coalesce(isfinite(volume), false)'
    ) %}
    {% do return(found.columns[0].values()[0] == 0) %}
{% endmacro %}


{% macro series_key(configured) %}
    {#- The columns a series is known by in a table. -#}
    {% do return(configured or ['instrument_id', 'timeframe']) %}
{% endmacro %}


{% macro is_restarted(kept, complete_at) -%}
    {#- Whether a row is made of bars from its series' restart on, or may be of more than it is. -#}
    coalesce({{ kept }}.{{ complete_at or 'bar_end_at' }}, timestamp 'infinity') > restarts.restart_at
{%- endmacro %}


{% macro restarted_rows(relation, configured_key, complete_at) %}
    {#- The rows of a `by_series` table that this build has computed, as a subquery. -#}
    {%- if not relation_exists('staging', 'int_signals__restarts') -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set key = series_key(configured_key) | join(', ') -%}
    {% set rows -%}
        (
            select kept.* from {{ relation }} as kept
            inner join (
                select {{ key }}, min(restart_at) as restart_at
                from staging.int_signals__restarts
                group by all
            ) as restarts using ({{ key }})
            where {{ is_restarted('kept', complete_at) }}
        )
    {%- endset %}
    {% do return(rows) %}
{% endmacro %}
