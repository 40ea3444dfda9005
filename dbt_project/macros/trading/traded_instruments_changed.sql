{% macro traded_instruments_changed() %}
    {#- Whether an instrument that was traded or decided on has other versions than in the last build. -#}
    {% set query %}
        select count(*)
        from ({{ changed_since_applied('instrument_versions') }}) as changed
        where instrument_id in (
            select instrument_id from silver.executions
            union all
            select instrument_id from silver.decision_history
        )
    {% endset %}
    {% do return(run_query(query).columns[0].values()[0] > 0) %}
{% endmacro %}
