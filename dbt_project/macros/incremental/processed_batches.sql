{#-
    What the incremental models remember between builds: which batches they have taken in, and what
    they were built from that is small enough to be compared whole (the symbol map they used, split
    factors, currency rates, …). It is written when a run has completed every one of the models that
    go by it; a build that stops earlier starts from the same point again. What is pending is in the
    private schema `staging`: published tables do not tell in how many steps they were built.
-#}

{% macro remembered() %}
    {#-
        By what remembers: the datasets whose batches it takes in, and the models it compares with
        `ops.applied_<name>`, column by column.
    -#}
    {% do return({
        'bars': {
            'datasets': ['bars'],
            'applied': {
                'symbol_map': ['int_instruments__symbol_map', {
                    'provider': 'varchar', 'provider_symbol': 'varchar', 'asset_class': 'varchar',
                    'instrument_id': 'varchar', 'valid_from': 'timestamp', 'valid_to': 'timestamp',
                }],
                'split_factors': ['int_bars__split_factors', {
                    'instrument_id': 'varchar', 'valid_from': 'date', 'split_factor': 'double',
                }],
            },
        },
        'trading': {
            'datasets': ['executions', 'decisions', 'cash_movements'],
            'applied': {
                'trading_symbols': ['int_trading__symbols', {
                    'asset_class': 'varchar', 'symbol': 'varchar', 'instrument_id': 'varchar',
                    'valid_from': 'timestamp', 'valid_to': 'timestamp',
                }],
                'currency_rates': ['int_currencies__rates', {
                    'from_currency': 'varchar', 'to_currency': 'varchar',
                    'needed_at': 'timestamp', 'rate': 'decimal(38, 18)',
                }],
                'share_units': ['int_trading__share_units', {
                    'instrument_id': 'varchar', 'effective_at': 'timestamp',
                    'units_per_share': 'decimal(38, 18)', 'unit_step': 'decimal(38, 18)',
                }],
                'late_splits': ['int_decisions__late_splits', {
                    'instrument_id': 'varchar', 'ex_date': 'date', 'told_at': 'timestamp',
                }],
                'instrument_versions': ['dim_instruments', {
                    'instrument_key': 'varchar', 'instrument_id': 'varchar',
                    'valid_from': 'timestamp', 'valid_to': 'timestamp',
                }],
            },
        },
        'news': {
            'datasets': staged_datasets(['int_articles__staged', 'int_posts__staged']),
            'applied': {
                'news_symbols': ['int_news__symbol_map', {
                    'provider': 'varchar', 'asset_class': 'varchar', 'mentioned_as': 'varchar',
                    'is_coin': 'boolean', 'instrument_id': 'varchar', 'valid_from': 'timestamp',
                    'valid_to': 'timestamp',
                }],
            },
        },
    }) %}
{% endmacro %}


{% macro create_processed_batches() %}
    create schema if not exists ops;
    create table if not exists ops.processed_batches (batch_id varchar);
    {%- for what in remembered().values() %}
    {%- for name, (_, columns) in what.applied.items() %}
    create table if not exists ops.applied_{{ name }} (
        {%- for column, type in columns.items() %}
        {{ column }} {{ type }}{{ ',' if not loop.last }}
        {%- endfor %}
    );
    {%- endfor %}
    {%- endfor %}
{% endmacro %}


{% macro mark_batches_processed(results) %}
    {%- set batches = ref('build_batches') -%}
    {%- set completed = results | selectattr('status', 'equalto', 'success')
        | map(attribute='node') | map(attribute='name') | list -%}
    {%- for family, what in remembered().items() %}
    {%- set compared = what.applied.values() | map('first') | list -%}
    {%- set is_complete = execute
        and not (remembering_models(family) + compared) | reject('in', completed) | list %}
    {%- set datasets = "'" ~ what.datasets | join("', '") ~ "'" -%}
    {%- if is_complete %}
    begin transaction;
    delete from ops.processed_batches
    where batch_id not in (select batch_id from {{ batches }} where dataset not in ({{ datasets }}));
    insert into ops.processed_batches
    select batch_id from {{ batches }} where dataset in ({{ datasets }}) order by batch_id;
    {%- endif %}
    {%- for name, (model_name, columns) in what.applied.items() %}
    {%- set relation = ref(model_name) -%}
    {%- if is_complete %}
    delete from ops.applied_{{ name }};
    insert into ops.applied_{{ name }}
    select {{ columns | join(', ') }} from {{ relation }} order by all;
    {%- endif %}
    {%- endfor %}
    {%- if is_complete %}
    update ops.family_runs
    set goes_on = true, is_complete = true
    where family = '{{ family }}';
    commit;
    {%- endif %}
    {%- endfor %}
{% endmacro %}


{% macro remembering_models(family) %}
    {#- The models that must all have run before what they took in counts as taken in. -#}
    {% if family != 'bars' %}
        {% do return(family_members(family) | map(attribute='name') | list) %}
    {% endif %}
    {% set names = [] %}
    {% for node in graph.nodes.values() %}
        {% set tags = node.config.get('tags', []) %}
        {% if 'bars_family' in tags or 'of_bars' in tags or node.config.materialized == 'by_series' %}
            {% do names.append(node.name) %}
        {% endif %}
    {% endfor %}
    {% do return(names) %}
{% endmacro %}


{% macro unprocessed_batches(datasets=('bars',)) %}
    {#-
        The batches of datasets that this build sees and the database has not taken in, as SQL text
        literals.
    -#}
    {% set query %}
        select batch_id
        from {{ ref('build_batches') }}
        where
            dataset in ('{{ datasets | join("', '") }}')
            and batch_id not in (select batch_id from ops.processed_batches)
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


{% macro changed_since_applied(name) %}
    {#- The rows that what is remembered as `ops.applied_<name>` has, or had, and the other not. -#}
    {%- for what in remembered().values() if name in what.applied -%}
    {%- set model_name, columns = what.applied[name] -%}
    {%- set listed = columns | join(', ') -%}
    {{ in_one_only(
        '(select ' ~ listed ~ ' from ' ~ ref(model_name) ~ ')',
        '(select ' ~ listed ~ ' from ops.applied_' ~ name ~ ')'
    ) }}
    {%- endfor -%}
{% endmacro %}


{% macro symbol_mapping_changed() %}
    {#- Whether the symbol map now says otherwise of a symbol whose bars are already in. -#}
    {% if not relation_exists('staging', 'int_bars__remapped_symbols') %}
        {% do return(false) %}
    {% endif %}
    {% set found = run_query('select count(*) from staging.int_bars__remapped_symbols') %}
    {% do return(found.columns[0].values()[0] > 0) %}
{% endmacro %}
