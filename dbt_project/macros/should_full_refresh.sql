{% macro should_full_refresh() %}
    {#-
        Besides `--full-refresh`: rebuild a model when `tapehouse build` found its rules changed
        (`refresh_models`), or when what the symbol map says of batches it has processed changed.
    -#}
    {% if flags.FULL_REFRESH or model.name in var('refresh_models') %}
        {% do return(true) %}
    {% endif %}
    {% do return('bars_family' in config.get('tags', []) and symbol_mapping_changed()) %}
{% endmacro %}
