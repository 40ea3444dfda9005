{% macro traded_instruments_changed() %}
    {#-
        Whether an instrument that was traded or decided on has other versions than in the last build.
        Tests ask, too, which reference no more than their model: tables are named.
    -#}
    {% set columns = remembered().trading.applied.instrument_versions[1] | join(', ') %}
    {% set query %}
        select count(*)
        from ({{ in_one_only(
            '(select ' ~ columns ~ ' from gold.dim_instruments)',
            '(select ' ~ columns ~ ' from ops.applied_instrument_versions)'
        ) }}) as changed
        where instrument_id in (
            select instrument_id from silver.executions
            union all
            select instrument_id from silver.decision_history
        )
    {% endset %}
    {% do return(run_query(query).columns[0].values()[0] > 0) %}
{% endmacro %}
