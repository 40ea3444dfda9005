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

confirmations as (
    select
        confirms_batch_id,
        symbol,
        timeframe,
        start_at,
        end_at,
        fetched_at as confirmed_at
    from requests
    where confirms_batch_id is not null
),

confirmed as (
    select
        accepted._batch_id,
        accepted._row,
        max(confirmations.confirmed_at) as confirmed_at
    from accepted
    inner join confirmations
        on
            {{ is_confirmed_by('accepted', 'confirmations') }}
    group by all
),

judged as (
    select
        accepted.*,
        -- The last time that the vendor said so counts, also where it had said otherwise between.
        greatest(accepted._fetched_at, confirmed.confirmed_at) as said_at,
        accepted.bar_end_at + to_seconds(precedence.finality_lag_seconds) as settles_at,
        said_at >= settles_at as is_final,
        accepted.bar_end_at + to_seconds(precedence.availability_lag_seconds)
            as regular_available_at,
        precedence.precedence
    from accepted
    left join confirmed
        on
            accepted._batch_id = confirmed._batch_id
            and accepted._row = confirmed._row
    left join precedence
        on
            accepted.provider = precedence.provider
            and accepted.asset_class = precedence.asset_class
),

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
    select
        judged.*,
        {{ bar_values() }} as bar_values
    from judged
    semi join contested
        on
            judged.instrument_id = contested.instrument_id
            and judged.timeframe = contested.timeframe
            and judged.bar_start_at = contested.bar_start_at
),

-- A version is told by its answer, and again by each that confirms it.
tellings as (
    select
        *,
        _fetched_at as told_at
    from contested_judged
    union all
    select distinct
        contested_judged.*,
        confirmations.confirmed_at as told_at
    from contested_judged
    inner join confirmations
        on
            {{ is_confirmed_by('contested_judged', 'confirmations') }}
            and contested_judged._fetched_at < confirmations.confirmed_at
),

{{ known_since('tellings') }},

contested_versions as (
    select
        * exclude (bar_values, known_at, is_first),
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
        case
            -- What came back was not believed until it was told again.
            when not is_final then greatest(known_at, _fetched_at)
            when is_first then regular_available_at
            else greatest(known_at, regular_available_at)
        end as available_at,
        is_current,
        is_provider_current,
        superseded_by_batch_id,
        superseded_by_row
    from versions
)

select * from final
