{% macro staged_union(models) %}
    {#-
        The records of staging models of one shape, as a query with the columns of the calling model's
        YAML. Those whose dataset has no records are left out, so that a vendor that was never used
        costs nothing and need not be built; lineage keeps them all.
    -#}
    {%- set landed = landed_datasets() -%}
    {%- set used = [] -%}
    {%- for name in models -%}
        {%- set relation = ref(name) -%}
        {%- if staged_dataset(name) in landed -%}
            {%- do used.append(relation) -%}
        {%- endif -%}
    {%- endfor %}
    select {{ typed_nulls() }}
    where false
    {%- for relation in used %}
    union all by name
    select * from {{ relation }}
    {%- endfor %}
{%- endmacro %}


{% macro landed_datasets() %}
    {#- The datasets (`provider.dataset`) of which this build sees records. -#}
    {% set batches = ref('build_batches') %}
    {% if not execute or not relation_exists('ops', 'build_batches') %}{% do return([]) %}{% endif %}
    {% set query %}
        select distinct provider || '.' || dataset from {{ batches }} where row_count > 0
    {% endset %}
    {% do return(run_query(query).columns[0].values() | list) %}
{% endmacro %}


{% macro staged_dataset(staging_model) %}
    {#- The dataset (`provider.dataset`) that a staging model reads, or none while parsing. -#}
    {% if not execute %}{% do return(none) %}{% endif %}
    {% set node = graph.nodes['model.' ~ project_name ~ '.' ~ staging_model] %}
    {% for parent in node.depends_on.nodes if parent in graph.sources %}
        {% set source_node = graph.sources[parent] %}
        {% do return(source_node.source_name ~ '.' ~ source_node.name) %}
    {% endfor %}
    {{ exceptions.raise_compiler_error(staging_model ~ ' reads no source: call lake_source() in it.') }}
{% endmacro %}


{% macro typed_nulls() -%}
    {#- The columns of the calling model's YAML, all NULL. -#}
    {%- for column in model.columns.values() -%}
    cast(null as {{ column.data_type }}) as {{ column.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{% macro staged_datasets(unions) %}
    {#- The names of the datasets that unions of staging models read; none where there is no graph. -#}
    {% set names = [] %}
    {% for union in unions if execute and graph.get('nodes') %}
        {% for parent in graph.nodes['model.' ~ project_name ~ '.' ~ union].depends_on.nodes
            if graph.nodes[parent].name.startswith('stg_') %}
            {% do names.append(staged_dataset(graph.nodes[parent].name).split('.')[1]) %}
        {% endfor %}
    {% endfor %}
    {% do return(names | unique | list) %}
{% endmacro %}
