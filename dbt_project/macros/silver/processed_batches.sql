{#-
    What the incremental models remember between builds: which batches they have taken in, the symbol
    map they used, and the split factors. All are written when a run has completed every one of the
    models; a build that stops earlier starts from the same point again, and each of them gives the
    same rows when it takes a batch in twice. What is pending is in the private schema `staging`:
    published tables do not tell in how many steps they were built.
-#}

{% macro create_processed_batches() %}
    create schema if not exists ops;
    create table if not exists ops.processed_batches (batch_id varchar);
    create table if not exists ops.applied_symbol_map (
        provider varchar, provider_symbol varchar, asset_class varchar, instrument_id varchar,
        valid_from timestamp, valid_to timestamp
    );
    create table if not exists ops.applied_split_factors (
        instrument_id varchar, valid_from date, split_factor double
    );
{% endmacro %}


{% macro mark_batches_processed(results) %}
    {%- set batches = ref('build_batches') -%}
    {%- set symbol_map = ref('int_instruments__symbol_map') -%}
    {%- set split_factors = ref('int_bars__split_factors') -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set completed = results | selectattr('status', 'equalto', 'success')
        | map(attribute='node') | map(attribute='name') | list -%}
    {%- set remembering = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- set tags = node.config.get('tags', []) -%}
        {%- if 'bars_family' in tags or 'of_bars' in tags or node.config.materialized == 'by_series' -%}
            {%- do remembering.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if remembering | reject('in', completed) | list -%}
        {{ return('') }}
    {%- endif -%}
    begin transaction;
    delete from ops.processed_batches;
    insert into ops.processed_batches
    select batch_id from {{ batches }} where dataset = 'bars' order by batch_id;
    delete from ops.applied_symbol_map;
    insert into ops.applied_symbol_map
    select provider, provider_symbol, asset_class, instrument_id, valid_from, valid_to
    from {{ symbol_map }}
    order by all;
    delete from ops.applied_split_factors;
    insert into ops.applied_split_factors
    select instrument_id, valid_from, split_factor
    from {{ split_factors }}
    order by all;
    commit;
{% endmacro %}


{% macro unprocessed_batches() %}
    {#- The bar batches this build sees that the database has not taken in, as SQL text literals. -#}
    {% set query %}
        select batch_id
        from {{ ref('build_batches') }}
        where dataset = 'bars' and batch_id not in (select batch_id from ops.processed_batches)
        order by batch_id
    {% endset %}
    {% if not execute or not relation_exists('ops', 'build_batches') %}{% do return([]) %}{% endif %}
    {% do return(run_query(query).columns[0].values() | list) %}
{% endmacro %}


{% macro in_batches(column, batch_ids) %}
    {#- `column in (…)` with constants, which Parquet readers can prune by; false for none. -#}
    {%- if batch_ids -%}
        {{ column }} in ('{{ batch_ids | join("', '") }}')
    {%- else -%}
        false
    {%- endif -%}
{% endmacro %}


{% macro symbol_mapping_changed() %}
    {#- Whether the symbol map now says otherwise of a symbol whose bars are already in. -#}
    {% if not relation_exists('staging', 'int_bars__remapped_symbols') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query('select count(*) from staging.int_bars__remapped_symbols') %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}
