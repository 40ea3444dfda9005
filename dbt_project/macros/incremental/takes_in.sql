{% macro looks_at_all_records(datasets) %}
    {#-
        Whether this build looks again at the records of earlier builds, of any of some datasets of one
        family: `int_<family>__revisions` says so.
    -#}
    {% if not execute or not datasets %}{% do return(false) %}{% endif %}
    {% set revisions = 'int_' ~ family_of(datasets) ~ '__revisions' %}
    {% if not relation_exists('staging', revisions) %}{% do return(false) %}{% endif %}
    {% set found = run_query(
        'select count(*) from staging.' ~ revisions ~ " where dataset in ('"
        ~ datasets | join("', '") ~ "')"
    ) %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}


{% macro takes_in_only_new(datasets) %}
    {#- Whether records of new batches are all that is new in some datasets of one family. -#}
    {% if not execute %}{% do return(false) %}{% endif %}
    {% do return(family_goes_on(family_of(datasets)) and not looks_at_all_records(datasets)) %}
{% endmacro %}


{% macro family_of(datasets) %}
    {#- The family that takes in some datasets. -#}
    {% for family, what in remembered().items() if datasets | reject('in', what.datasets) | list == [] %}
        {% do return(family) %}
    {% endfor %}
    {{ exceptions.raise_compiler_error('No one family takes in ' ~ datasets | join(', ') ~ '.') }}
{% endmacro %}
