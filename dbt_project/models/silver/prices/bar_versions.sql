-- depends_on: {{ ref('int_bars__touched_sessions') }}
{{ config(materialized='incremental', tags=['bars_family']) }}
{%- set new_batches = unprocessed_batches() %}

with records as (
    select * from {{ ref('int_bars__records') }}
    {% if is_incremental() %}
    where {{ in_batches('_batch_id', new_batches) }}
    {% endif %}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'bars'
),

requests as (
    select * from {{ ref('load_requests') }}
),

accepted as (
    select
        {{ bar_version_columns() }}
    from records
    where {{ is_clean(bar_rules()) }}
    {% if is_incremental() %}
    union all
    select
        {{ bar_version_columns('earlier') }}
    from {{ this }} as earlier
    {{ touched_only('earlier') }}
    where not {{ in_batches('earlier._batch_id', new_batches) }}
    {% endif %}
),

{{ judged_versions('accepted') }},

contested as (
    select
        instrument_id,
        timeframe,
        bar_start_at
    from judged
    group by all
    having count(*) > 1
),

-- Most bars have one version: only the others need to be ranked.
uncontested_versions as (
    select
        judged.*,
        true as is_current,
        true as is_provider_current,
        true as is_first,
        judged._fetched_at as known_at,
        cast(null as varchar) as superseded_by_batch_id,
        cast(null as bigint) as superseded_by_row
    from judged
    anti join contested
        on
            judged.instrument_id = contested.instrument_id
            and judged.timeframe = contested.timeframe
            and judged.bar_start_at = contested.bar_start_at
),

contested_judged as (
    select judged.*
    from judged
    semi join contested
        on
            judged.instrument_id = contested.instrument_id
            and judged.timeframe = contested.timeframe
            and judged.bar_start_at = contested.bar_start_at
),

{{ known_versions('contested_judged', bar_values()) }},

contested_versions as (
    select
        * exclude (known_at, is_first),
        row_number() over best = 1 as is_current,
        row_number() over best_of_provider = 1 as is_provider_current,
        is_first,
        known_at,
        case when row_number() over best > 1 then first_value(_batch_id) over best end
            as superseded_by_batch_id,
        case when row_number() over best > 1 then first_value(_row) over best end
            as superseded_by_row
    from known_versions
    window
        best as (
            partition by instrument_id, timeframe, bar_start_at
            order by
                is_final desc,
                precedence asc,
                said_at desc,
                _fetched_at desc,
                _batch_id desc,
                _row desc
        ),
        best_of_provider as (
            partition by instrument_id, timeframe, bar_start_at, provider
            order by
                is_final desc,
                said_at desc,
                _fetched_at desc,
                _batch_id desc,
                _row desc
        )
),

versions as (
    select * from uncontested_versions
    union all
    select * from contested_versions
),

final as (
    select
        {{ bar_version_columns() }},
        is_final,
        {{ version_available_at() }} as available_at,
        is_current,
        is_provider_current,
        superseded_by_batch_id,
        superseded_by_row
    from versions
)

select * from final
