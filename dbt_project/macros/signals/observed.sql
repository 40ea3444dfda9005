{% macro observes_all() %}
    {#- Whether every observation is looked at again: its table, or all that it is made of, is new. -#}
    {% if not execute or flags.FULL_REFRESH or not relation_exists('silver', 'int_signals__observed') %}
        {% do return(true) %}
    {% endif %}
    {% if 'int_signals__observed' in var('refresh_models') or symbol_mapping_changed() %}
        {% do return(true) %}
    {% endif %}
    {% do return(signals_are_rebuilt()) %}
{% endmacro %}


{% macro get_incremental_replace_observed_sql(arg_dict) %}
    {#-
        Incremental strategy: keep the rows of observations that are still to be made and that this
        build has not looked at again.
    -#}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }} as kept
    where not exists (
        select 1
        from {{ ref('int_signals__observations') }} as observations
        where
            kept.instrument_id = observations.instrument_id
            and kept.timeframe = observations.timeframe
            and kept.observed_at = observations.observed_at
            and not observations.is_due
    );
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
