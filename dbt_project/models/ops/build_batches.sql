{#- Reads only names and ledgers, never rows: 3,000 batches take about a tenth of a second. -#}
{%- set batch_files = lake_path() ~ '/*/*/*/*.parquet' -%}
{#- Datasets whose staging models this build leaves out, as nothing had landed when it began. -#}
{%- set unused = env_var('TAPEHOUSE_UNUSED_DATASETS', '') if execute else '' -%}
{%- set left_out = "'" ~ unused.split(',') | join("', '") ~ "'" -%}

with ledgers as (
    select
        cast(null as varchar) as file,
        cast(null as json) as ledger
    where false
    {% if has_files(batch_files) %}
    union all
    select
        {{ relative_path('file_name', lake_path()) }} as file,
        cast(decode(value) as json) as ledger
    from parquet_kv_metadata('{{ batch_files }}')
    where decode(key) = 'tapehouse.ledger'
    {% endif %}
),

batches as (
    select
        ledger ->> '$.batch_id' as batch_id,
        ledger ->> '$.provider' as provider,
        ledger ->> '$.dataset' as dataset,
        {{ utc_timestamp("ledger ->> '$.fetched_at'") }} as fetched_at,
        cast(ledger ->> '$.rows' as bigint) as row_count,
        file,
        cast(ledger as varchar) as ledger
    from ledgers
),

final as (
    select *
    from batches
    where provider || '.' || dataset not in ({{ left_out }})
    {% if var('as_of') %}
        -- Calendars are rules, not vendor data: an earlier view of the data uses today's.
        and (
            fetched_at <= {{ utc_timestamp("'" ~ var('as_of') ~ "'") }}
            or provider = 'exchange_calendars'
        )
    {% endif %}
)

select * from final
order by fetched_at, batch_id
