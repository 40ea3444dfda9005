{% macro data_path() %}
    {#- The data folder; relative to the dbt project unless TAPEHOUSE_DATA_DIR is set. -#}
    {{- return(env_var('TAPEHOUSE_DATA_DIR', '../data').rstrip('/') | replace("'", "''")) -}}
{% endmacro %}


{% macro lake_path() %}
    {{- return(data_path() ~ '/lake/raw') -}}
{% endmacro %}


{% macro has_files(pattern) %}
    {#- Whether any file matches; readers of an empty pattern fail. False while parsing. -#}
    {% if not execute %}{% do return(false) %}{% endif %}
    {% set found = run_query("select count(*) from glob('" ~ pattern ~ "')") %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}


{% macro relation_exists(schema, identifier) %}
    {% if not execute %}{% do return(false) %}{% endif %}
    {% set found = run_query(
        "select count(*) from information_schema.tables where table_schema = '" ~ schema
        ~ "' and table_name = '" ~ identifier ~ "' and table_catalog = current_database()"
    ) %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}
