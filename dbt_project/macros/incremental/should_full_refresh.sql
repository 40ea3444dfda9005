{% macro should_full_refresh() %}
    {#-
        Besides `--full-refresh`: rebuild a model when `tapehouse build` found its rules changed
        (`refresh_models`), when what the symbol map says of batches it has processed changed, or
        when it is built anew with its family.
    -#}
    {% if flags.FULL_REFRESH or model.name in var('refresh_models') %}
        {% do return(true) %}
    {% endif %}
    {% do return(
        is_rebuilt_with_family(config)
        or ('bars_family' in config.get('tags', []) and symbol_mapping_changed())
    ) %}
{% endmacro %}
