{% macro lake_source(provider, dataset) %}
    {#-
        The records of one dataset in the batches this build sees, as a parenthesised query.

        Reads exactly the files frozen in `build_batches`. Columns are those the source declares in
        YAML and the lake's lineage: a file from before a field was declared gives NULL there, and a
        dataset without files gives an empty relation with the same columns, so an unused vendor
        breaks nothing.
    -#}
    {%- do source(provider, dataset) -%}
    {%- set files = lake_files(provider, dataset) -%}
    (
        select *
        from (
            select
                {%- for column in lake_columns(provider, dataset) %}
                cast(null as {{ column.type }}) as {{ adapter.quote(column.name) }},
                {%- endfor %}
            where false
            {%- if files %}
            union all by name
            select *
            from read_parquet(
                [
                    {%- for file in files %}
                    '{{ lake_path() }}/{{ file }}',
                    {%- endfor %}
                ],
                union_by_name = true, hive_partitioning = false
            )
            {%- endif %}
        )
    )
{%- endmacro %}


{% macro lake_columns(provider, dataset) %}
    {#- The columns of a dataset's files (name and type): those its YAML declares, which are text, and
        what the loader adds to every record. -#}
    {% set columns = [] %}
    {% if execute %}
        {% set wanted = 'source.' ~ project_name ~ '.' ~ provider ~ '.' ~ dataset %}
        {% for column in graph.sources[wanted].columns.values() %}
            {% do columns.append({'name': column.name, 'type': 'varchar'}) %}
        {% endfor %}
    {% endif %}
    {% do return(columns + lineage_columns()) %}
{% endmacro %}


{% macro lineage_columns() %}
    {#- What the loader adds to every record of every dataset. Sources do not declare it. -#}
    {% do return([
        {'name': '_extra', 'type': 'varchar'},
        {'name': '_provider', 'type': 'varchar'},
        {'name': '_dataset', 'type': 'varchar'},
        {'name': '_symbol', 'type': 'varchar'},
        {'name': '_timeframe', 'type': 'varchar'},
        {'name': '_fetched_at', 'type': 'timestamp with time zone'},
        {'name': '_batch_id', 'type': 'varchar'},
        {'name': '_row', 'type': 'bigint'},
    ]) %}
{% endmacro %}


{% macro lake_files(provider=none, dataset=none) %}
    {#-
        The frozen batch files that hold rows, of one dataset or of all, relative to the lake, oldest
        first.
    -#}
    {% set batches = ref('build_batches') %}
    {% if not execute or not relation_exists('ops', 'build_batches') %}
        {% do return([]) %}
    {% endif %}
    {% set query %}
        select file
        from {{ batches }}
        where row_count > 0
        {% if provider %}and provider = '{{ provider }}' and dataset = '{{ dataset }}'{% endif %}
        order by fetched_at, batch_id
    {% endset %}
    {% do return(run_query(query).columns[0].values() | list) %}
{% endmacro %}
