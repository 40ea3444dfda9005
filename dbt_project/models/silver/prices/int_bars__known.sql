-- depends_on: {{ ref('int_bars__touched_sessions') }}
{{ config(materialized='incremental', tags=['bars_family']) }}
{%- set always = "timestamp '0001-01-01'" -%}
{%- set never = "timestamp '9999-12-31'" -%}
{%- set bar_columns = [
    'instrument_id', 'asset_class', 'timeframe', 'bar_start_at', 'bar_end_at', 'session_date',
    'provider', 'open', 'high', 'low', 'close', 'volume', 'adj_close', 'vwap', 'trade_count',
] %}

with bars as not materialized (
    select bars.* from {{ ref('bars') }} as bars
    {{ touched_only('bars') }}
    where bars.is_final
),

versions as not materialized (
    select versions.* from {{ ref('bar_versions') }} as versions
    {{ touched_only('versions') }}
),

derived as (
    select derived.* from {{ ref('int_bars__derived') }} as derived
    {{ touched_only('derived') }}
),

quarantined as (
    select quarantined.* from {{ ref('bars_quarantined') }} as quarantined
    {{ touched_only('quarantined') }}
),

requests as (
    select * from {{ ref('load_requests') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'bars'
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

covered_ranges as (
    select * from {{ ref('int_bars__covered_ranges') }}
),

-- Of an instrument, no bar is known earlier after its end than by the quickest of its providers.
providers as (
    select distinct
        instrument_id,
        asset_class,
        provider
    from versions
),

quickest as (
    select
        providers.instrument_id,
        min(precedence.availability_lag_seconds) as availability_lag_seconds
    from providers
    inner join precedence
        on
            providers.provider = precedence.provider
            and providers.asset_class = precedence.asset_class
    group by providers.instrument_id
),

late_bars as (
    select bars.*
    from bars
    inner join quickest
        on
            bars.instrument_id = quickest.instrument_id
            and bars.available_at > bars.bar_end_at + to_seconds(quickest.availability_lag_seconds)
),

-- Most bars have one version: only the others can have been known in more than one way.
contested as (
    select distinct
        instrument_id,
        timeframe,
        bar_start_at
    from versions
    where not is_current
),

accepted as (
    select
        {{ bar_version_columns('versions') }}
    from versions
    semi join contested
        on
            versions.instrument_id = contested.instrument_id
            and versions.timeframe = contested.timeframe
            and versions.bar_start_at = contested.bar_start_at
),

{{ judged_versions('accepted') }},

{{ known_versions('judged', bar_values()) }},

-- What a provider said of a final bar until it said otherwise.
sayings as (
    select
        *,
        was_final as is_final,
        known_at = first_told_at as is_first
    from dated_tellings
    where was_final and bar_values is distinct from previous_bar_values
),

dated_sayings as (
    select
        *,
        {{ version_available_at() }} as known_from
    from sayings
),

said as (
    select
        *,
        lead(known_from, 1, {{ never }}) over (
            partition by instrument_id, timeframe, bar_start_at, provider
            order by told_at, _fetched_at, _batch_id, _row
        ) as known_to
    from dated_sayings
    qualify known_from < known_to
),

-- Where a provider said something of a bar only later, coarser bars of the session were other ones.
changed_sessions as (
    select distinct
        versions.provider,
        versions.instrument_id,
        versions.session_date
    from versions
    inner join precedence
        on
            versions.provider = precedence.provider
            and versions.asset_class = precedence.asset_class
    where
        versions.is_provider_current
        and versions.is_final
        and versions.available_at
        > versions.bar_end_at + to_seconds(precedence.availability_lag_seconds)
),

needed_sessions as (
    select
        instrument_id,
        session_date
    from changed_sessions
    union
    select
        instrument_id,
        session_date
    from late_bars
),

said_once as (
    select
        versions.*,
        case when versions.is_final then versions.available_at else {{ always }} end as known_from,
        {{ never }} as known_to
    from versions
    semi join needed_sessions
        on
            versions.instrument_id = needed_sessions.instrument_id
            and versions.session_date = needed_sessions.session_date
    anti join said
        on
            versions.provider = said.provider
            and versions.instrument_id = said.instrument_id
            and versions.timeframe = said.timeframe
            and versions.bar_start_at = said.bar_start_at
    where versions.is_provider_current
),

everything_said as (
    select
        {{ bar_columns | join(',\n        ') }},
        is_final,
        known_from,
        known_to
    from said
    union all
    select
        {{ bar_columns | join(',\n        ') }},
        is_final,
        known_from,
        known_to
    from said_once
),

current_versions as (
    select * from versions
    where is_provider_current
),

{{ holes('current_versions') }},

parts as (
    select
        *,
        known_from as available_at
    from everything_said
    union all by name
    select
        *,
        {{ always }} as known_from,
        {{ never }} as known_to
    from holes
),

constituents as (
    select parts.*
    from parts
    semi join changed_sessions
        on
            parts.provider = changed_sessions.provider
            and parts.instrument_id = changed_sessions.instrument_id
            and parts.session_date = changed_sessions.session_date
),

{{ bucketed_bars('constituents') }},

-- A coarser bar is known once all of its parts are, and another one when any of them is.
part_beginnings as (
    select
        provider,
        instrument_id,
        target_timeframe,
        timeframe,
        bucket_start_at,
        bar_start_at,
        min(known_from) as part_known_from
    from bucketed
    group by all
),

bucket_beginnings as (
    select
        provider,
        instrument_id,
        target_timeframe,
        timeframe,
        bucket_start_at,
        max(part_known_from) as bucket_known_from
    from part_beginnings
    group by all
),

bucket_moments as (
    select distinct
        bucketed.provider,
        bucketed.instrument_id,
        bucketed.target_timeframe,
        bucketed.timeframe,
        bucketed.bucket_start_at,
        bucketed.known_from as told_at
    from bucketed
    inner join bucket_beginnings
        on
            bucketed.provider = bucket_beginnings.provider
            and bucketed.instrument_id = bucket_beginnings.instrument_id
            and bucketed.target_timeframe = bucket_beginnings.target_timeframe
            and bucketed.timeframe = bucket_beginnings.timeframe
            and bucketed.bucket_start_at = bucket_beginnings.bucket_start_at
            and bucketed.known_from >= bucket_beginnings.bucket_known_from
),

bucketed_then as (
    select
        bucketed.*,
        bucket_moments.told_at
    from bucketed
    inner join bucket_moments
        on
            bucketed.provider = bucket_moments.provider
            and bucketed.instrument_id = bucket_moments.instrument_id
            and bucketed.target_timeframe = bucket_moments.target_timeframe
            and bucketed.timeframe = bucket_moments.timeframe
            and bucketed.bucket_start_at = bucket_moments.bucket_start_at
            and bucketed.known_from <= bucket_moments.told_at
            and bucketed.known_to > bucket_moments.told_at
),

{{ derived_bars('bucketed_then', told_at='told_at') }},

derived_then as (
    select
        *,
        available_at as known_from,
        lead(available_at, 1, {{ never }}) over (
            partition by provider, instrument_id, timeframe, source_timeframe, bar_start_at
            order by told_at
        ) as known_to
    from derived_bars
    qualify known_from < known_to
),

derived_once as (
    select
        derived.*,
        derived.available_at as known_from,
        {{ never }} as known_to,
        timeframes.seconds as source_seconds
    from derived
    inner join timeframes on derived.source_timeframe = timeframes.timeframe
    semi join needed_sessions
        on
            derived.instrument_id = needed_sessions.instrument_id
            and derived.session_date = needed_sessions.session_date
    anti join changed_sessions
        on
            derived.provider = changed_sessions.provider
            and derived.instrument_id = changed_sessions.instrument_id
            and derived.session_date = changed_sessions.session_date
),

candidates as (
    select
        {{ bar_columns | join(',\n        ') }},
        false as is_derived,
        cast(0 as bigint) as source_seconds,
        known_from
    from everything_said
    where is_final
    union all by name
    select
        * exclude (available_at, constituent_count, source_timeframe, told_at, known_to),
        true as is_derived
    from derived_then
    union all by name
    select
        * exclude (available_at, constituent_count, source_timeframe, known_to),
        true as is_derived
    from derived_once
),

-- Bars of which anything was known before what is known now.
earlier_known as (
    select distinct
        candidates.instrument_id,
        candidates.timeframe,
        candidates.bar_start_at
    from candidates
    inner join late_bars
        on
            candidates.instrument_id = late_bars.instrument_id
            and candidates.timeframe = late_bars.timeframe
            and candidates.bar_start_at = late_bars.bar_start_at
            and candidates.known_from < late_bars.available_at
),

ranked as (
    select
        candidates.*,
        rank() over (
            partition by candidates.instrument_id, candidates.timeframe, candidates.bar_start_at
            order by
                precedence.precedence asc,
                candidates.is_derived asc,
                candidates.source_seconds desc
        ) as place
    from candidates
    semi join earlier_known
        on
            candidates.instrument_id = earlier_known.instrument_id
            and candidates.timeframe = earlier_known.timeframe
            and candidates.bar_start_at = earlier_known.bar_start_at
    inner join precedence
        on
            candidates.provider = precedence.provider
            and candidates.asset_class = precedence.asset_class
),

-- What is known stays known: a telling counts unless a better one was known by then.
winners as (
    select
        *,
        min(place) over (
            partition by instrument_id, timeframe, bar_start_at
            order by known_from
            range between unbounded preceding and current row
        ) as best_place
    from ranked
    qualify place = best_place
),

states as (
    select
        instrument_id,
        asset_class,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        provider,
        is_derived,
        open,
        high,
        low,
        close,
        volume,
        adj_close,
        vwap,
        trade_count,
        known_from,
        lead(known_from, 1, {{ never }}) over (
            partition by instrument_id, timeframe, bar_start_at
            order by known_from
        ) as known_to
    from winners
),

final as (
    select *
    from states
    qualify count(*) over (partition by instrument_id, timeframe, bar_start_at) > 1
)

select * from final
