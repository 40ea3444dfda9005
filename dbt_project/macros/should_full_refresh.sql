{% macro should_full_refresh() %}
    {#-
        Besides `--full-refresh`: rebuild a model when `tapehouse build` found its rules changed
        (`refresh_models`), when what the symbol map says of batches it has processed changed, when
        its family does not go on from the last build, when records of datasets that it takes in batch
        by batch (config: `takes_in`) must be looked at again, or when it names instruments (config:
        `names_instruments`) that have other versions now.
    -#}
    {% if flags.FULL_REFRESH or model.name in var('refresh_models') %}
        {% do return(true) %}
    {% endif %}
    {% set tags = config.get('tags', []) %}
    {% for family in families() if family ~ '_family' in tags %}
        {% do return(
            not family_goes_on(family)
            or looks_at_all_records(config.get('takes_in', []))
            or (config.get('names_instruments', false) and traded_instruments_changed())
        ) %}
    {% endfor %}
    {% do return('bars_family' in tags and symbol_mapping_changed()) %}
{% endmacro %}
