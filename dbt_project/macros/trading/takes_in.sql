{% macro looks_at_all_records(datasets) %}
    {#- Whether this build looks again at the records of earlier builds, of any of some datasets. -#}
    {% if not execute or not datasets or not relation_exists('staging', 'int_trading__revisions') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query(
        "select count(*) from staging.int_trading__revisions where dataset in ('"
        ~ datasets | join("', '") ~ "')"
    ) %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}


{% macro takes_in_only_new(datasets) %}
    {#- Whether records of new batches are all that is new in some trading datasets. -#}
    {% do return(family_goes_on('trading') and not looks_at_all_records(datasets)) %}
{% endmacro %}


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
