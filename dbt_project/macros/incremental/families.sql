{#-
    Families of incremental tables that go on together from what the last build left them as. A member
    may compare what it reads with what its table held before, so none goes on where another does not:
    when a run stopped between them, builds one without what it follows from, or one is missing or has
    new rules, all are built anew. Whether they go on is decided once, when a run starts, and kept in
    `ops.family_runs`; a run is complete when what it took in is marked (`mark_batches_processed`).

    Members have the tag `<family>_family`: the tables, and those in `staging` that list for them what
    has changed.
-#}

{% macro families() %}
    {#- By family, what tells it of changes once, in the build that makes them: bars, other families. -#}
    {% do return({'news': [], 'trading': ['bars', 'news']}) %}
{% endmacro %}


{% macro family_members(family) %}
    {#- The models (nodes of the graph) of a family. -#}
    {% set members = [] %}
    {% for node in graph.nodes.values() if family ~ '_family' in node.config.get('tags', []) %}
        {% do members.append(node) %}
    {% endfor %}
    {% do return(members) %}
{% endmacro %}


{% macro begin_families() %}
    create schema if not exists ops;
    create table if not exists ops.family_runs (
        family varchar, goes_on boolean, is_complete boolean
    );
    {%- for family in families() if execute and flags.WHICH in ['run', 'build'] %}
    {%- if moves_family(family) %}
    insert into ops.family_runs
    select '{{ family }}', false, false
    where '{{ family }}' not in (select family from ops.family_runs);
    update ops.family_runs
    set goes_on = is_complete and {{ family_can_go_on(family) }}, is_complete = false
    where family = '{{ family }}';
    {%- endif %}
    {%- endfor %}
{% endmacro %}


{% macro moves_family(family) %}
    {#- Whether this run builds tables of a family, or of those whose changes it is told only once. -#}
    {% for moved in [family] + families()[family] %}
        {% for unique_id in selected_resources if unique_id in graph.nodes %}
            {% set config = graph.nodes[unique_id].config %}
            {% if moved ~ '_family' in config.get('tags', [])
                or moved == 'bars' and config.materialized == 'by_series' %}
                {% do return(true) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% do return(false) %}
{% endmacro %}


{% macro family_can_go_on(family) %}
    {#-
        Whether a run builds what its tables of a family follow from, and all are there, built by the
        rules of today.
    -#}
    {% if flags.FULL_REFRESH %}{% do return(false) %}{% endif %}
    {% set members = family_members(family) %}
    {% set missing = members | map(attribute='unique_id') | reject('in', selected_resources) | list %}
    {% for node in members %}
        {% set parents = node.depends_on.nodes | select('in', missing) | list %}
        {% if node.unique_id in selected_resources and parents %}
            {% do return(false) %}
        {% elif node.config.materialized == 'incremental' and (
            node.name in var('refresh_models') or not relation_exists(node.schema, node.name)
        ) %}
            {% do return(false) %}
        {% endif %}
    {% endfor %}
    {% do return(true) %}
{% endmacro %}


{% macro family_goes_on(family) %}
    {#- Whether tables of a family hold what the last build left, and change only where data has. -#}
    {% if not execute or flags.FULL_REFRESH or not relation_exists('ops', 'family_runs') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query(
        "select count(*) from ops.family_runs where goes_on and family = '" ~ family ~ "'"
    ) %}
    {% do return(
        found.columns[0].values()[0] > 0
        and not ('bars' in families()[family] and every_session_is_touched())
    ) %}
{% endmacro %}


{% macro is_rebuilt_with_family(config) %}
    {#-
        Whether a table with such a config is one of a family and built anew: the family does not go on,
        records of datasets that the table takes in batch by batch (`takes_in`) are looked at again, or
        it names instruments (`names_instruments`) that have other versions now.
    -#}
    {% for family in families() if family ~ '_family' in config.get('tags', []) %}
        {% do return(
            not family_goes_on(family)
            or looks_at_all_records(config.get('takes_in', []))
            or (config.get('names_instruments', false) and traded_instruments_changed())
        ) %}
    {% endfor %}
    {% do return(false) %}
{% endmacro %}
