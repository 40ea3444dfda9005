{#- Column statistics in the Parquet footers tell what changed without reading the rows. -#}
{%- set batches = ref('build_batches') -%}
{%- set files = lake_files() -%}

with build_batches as (
    select * from {{ batches }}
),

load_batches as (
    select * from {{ ref('load_batches') }}
),

profiles as (
    select
        null::varchar as file,
        null::varchar as field,
        null::hugeint as value_count,
        null::boolean as is_numeric
    where false
    {% if files %}
    union all
    select
        {{ relative_path('file_name', lake_path()) }} as file,
        path_in_schema as field,
        sum(num_values - coalesce(stats_null_count, 0)) as value_count,
        bool_and(
            try_cast(stats_min_value as double) is not null
            and try_cast(stats_max_value as double) is not null
        ) filter (where stats_min_value is not null) as is_numeric
    from parquet_metadata([
        {%- for file in files %}
        '{{ lake_path() }}/{{ file }}',
        {%- endfor %}
    ])
    where path_in_schema not like '\_%' escape '\'
    group by all
    {% endif %}
),

field_history as (
    select
        build_batches.provider,
        build_batches.dataset,
        profiles.field,
        build_batches.batch_id,
        build_batches.fetched_at,
        profiles.value_count > 0 as has_values,
        max(build_batches.fetched_at) filter (where profiles.value_count > 0) over (
            partition by build_batches.provider, build_batches.dataset, profiles.field
        ) as last_value_at,
        profiles.is_numeric
    from profiles
    inner join build_batches on profiles.file = build_batches.file
),

latest_batches as (
    select
        provider,
        dataset,
        arg_max(batch_id, (fetched_at, batch_id)) as batch_id
    from build_batches
    where row_count > 0
    group by all
),

vanished as (
    select
        field_history.provider,
        field_history.dataset,
        field_history.field,
        'vanished' as change,
        'has no value in the latest batch, but had before' as detail,
        arg_min(field_history.batch_id, (field_history.fetched_at, field_history.batch_id))
        filter (where field_history.fetched_at > field_history.last_value_at)
            as first_batch_id
    from field_history
    inner join latest_batches
        on
            field_history.provider = latest_batches.provider
            and field_history.dataset = latest_batches.dataset
    group by all
    having
        bool_or(field_history.has_values)
        and not bool_or(
            field_history.has_values and field_history.batch_id = latest_batches.batch_id
        )
),

typed as (
    select
        *,
        arg_min(is_numeric, (fetched_at, batch_id)) over field as was_numeric,
        arg_max(is_numeric, (fetched_at, batch_id)) over field as is_now_numeric
    from field_history
    where has_values and is_numeric is not null
    window field as (partition by provider, dataset, field)
),

turned as (
    select
        *,
        max(fetched_at) filter (where is_numeric <> is_now_numeric) over (
            partition by provider, dataset, field
        ) as last_other_type_at
    from typed
    where was_numeric <> is_now_numeric
),

retyped as (
    select
        provider,
        dataset,
        field,
        'retyped' as change,
        case when is_now_numeric then 'text before, numbers now' else 'numbers before, text now' end
            as detail,
        arg_min(batch_id, (fetched_at, batch_id)) filter (where fetched_at > last_other_type_at)
            as first_batch_id
    from turned
    group by all
),

-- Only row groups with undeclared fields are read. Half of a surrogate pair, which vendors do send,
-- makes JSON that no reader accepts.
extra_fields as (
    {% if files %}
    select
        _provider as provider,
        _dataset as dataset,
        unnest(case when json_valid(_extra) then json_keys(_extra) end) as field,
        _batch_id
    from read_parquet([
        {%- for file in files %}
        '{{ lake_path() }}/{{ file }}',
        {%- endfor %}
    ], union_by_name = true, hive_partitioning = false)
    where _extra is not null
    {% else %}
    select
        null::varchar as provider,
        null::varchar as dataset,
        null::varchar as field,
        null::varchar as _batch_id
    where false
    {% endif %}
),

undeclared as (
    select
        provider,
        dataset,
        field,
        'new' as change,
        'is sent but not declared; its values are kept in _extra' as detail,
        min(_batch_id) as first_batch_id
    from extra_fields
    group by all
),

changes as (
    select * from undeclared
    union all
    select * from vanished
    union all
    select * from retyped
),

final as (
    select
        changes.provider,
        changes.dataset,
        changes.field,
        changes.change,
        changes.detail,
        changes.first_batch_id,
        load_batches.fetched_at as first_seen_at
    from changes
    left join load_batches on changes.first_batch_id = load_batches.batch_id
)

select * from final
order by provider, dataset, field, change
