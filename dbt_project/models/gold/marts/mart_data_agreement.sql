{{ config(
    materialized='incremental',
    incremental_strategy='replace_touched',
    on_schema_change='fail',
    tags=['bars_family']
) }}

with versions as (
    select versions.* from {{ ref('bar_versions') }} as versions
    {{ touched_only('versions') }}
    where versions.is_provider_current and versions.is_final
),

derived as (
    select derived.* from {{ ref('int_bars__derived') }} as derived
    {{ touched_only('derived') }}
),

series as (
    select * from {{ ref('int_bars__series') }}
),

covered_ranges as (
    select * from {{ ref('int_bars__covered_ranges') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

market_sessions as (
    select
        asset_classes.asset_class,
        sessions.session_date,
        sessions.open_at,
        sessions.close_at
    from {{ ref('int_calendar__sessions') }} as sessions
    inner join asset_classes on sessions.calendar = asset_classes.calendar
),

everything_told as (
    select
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        bar_start_at,
        provider,
        false as is_derived,
        open,
        high,
        low,
        close,
        volume
    from versions
    union all
    select
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        bar_start_at,
        provider,
        true as is_derived,
        open,
        high,
        low,
        close,
        volume
    from derived
),

-- Regular hours only: some vendors give what is before and after them, others are not asked for it.
tellings as (
    select everything_told.*
    from everything_told
    inner join market_sessions
        on
            everything_told.asset_class = market_sessions.asset_class
            and everything_told.session_date = market_sessions.session_date
    where
        everything_told.timeframe = '1d'
        or (
            everything_told.bar_start_at >= market_sessions.open_at
            and everything_told.bar_start_at < market_sessions.close_at
        )
),

provider_sessions as (
    select
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        provider,
        is_derived
    from tellings
    group by all
),

told_sessions as (
    select
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        count(*) as telling_count
    from provider_sessions
    group by all
),

first_bars as (
    select
        provider,
        instrument_id,
        timeframe,
        min(first_bar_at) as first_bar_at
    from series
    group by all
),

-- Vendors that were asked for the whole session and have nothing of it: from their first bar on, as
-- before that they may not have had the instrument.
silent as (
    select
        told_sessions.instrument_id,
        told_sessions.asset_class,
        told_sessions.timeframe,
        told_sessions.session_date,
        first_bars.provider
    from told_sessions
    inner join market_sessions
        on
            told_sessions.asset_class = market_sessions.asset_class
            and told_sessions.session_date = market_sessions.session_date
    inner join first_bars
        on
            told_sessions.instrument_id = first_bars.instrument_id
            and told_sessions.timeframe = first_bars.timeframe
            and market_sessions.close_at > first_bars.first_bar_at
    semi join covered_ranges
        on
            first_bars.provider = covered_ranges.provider
            and first_bars.instrument_id = covered_ranges.instrument_id
            and first_bars.timeframe = covered_ranges.timeframe
            and market_sessions.open_at >= covered_ranges.start_at
            and market_sessions.close_at <= covered_ranges.end_at
    anti join provider_sessions
        on
            not provider_sessions.is_derived
            and first_bars.provider = provider_sessions.provider
            and told_sessions.instrument_id = provider_sessions.instrument_id
            and told_sessions.timeframe = provider_sessions.timeframe
            and told_sessions.session_date = provider_sessions.session_date
),

-- Where one vendor alone tells, in one way, and no other was asked, there is nothing to compare.
compared_sessions as (
    select
        instrument_id,
        timeframe,
        session_date
    from told_sessions
    where telling_count > 1
    union
    select
        instrument_id,
        timeframe,
        session_date
    from silent
),

compared as (
    select tellings.*
    from tellings
    semi join compared_sessions
        on
            tellings.instrument_id = compared_sessions.instrument_id
            and tellings.timeframe = compared_sessions.timeframe
            and tellings.session_date = compared_sessions.session_date
),

-- A vendor has one vote, its own bar before what follows from its finer ones.
votes as (
    select *
    from compared
    qualify
        row_number() over (
            partition by instrument_id, timeframe, bar_start_at, provider order by is_derived
        ) = 1
),

consensus_bars as (
    select
        instrument_id,
        timeframe,
        session_date,
        bar_start_at,
        median(close) as consensus_close
    from votes
    group by all
),

consensus_sessions as (
    select
        instrument_id,
        timeframe,
        session_date,
        count(*) as consensus_bar_count
    from consensus_bars
    group by all
),

measured as (
    select
        compared.*,
        {{ bps('compared.close', 'consensus_bars.consensus_close') }} as close_deviation_bps,
        greatest(
            abs({{ bps('compared.open', 'native.open') }}),
            abs({{ bps('compared.high', 'native.high') }}),
            abs({{ bps('compared.low', 'native.low') }}),
            abs({{ bps('compared.close', 'native.close') }})
        ) as native_deviation_bps,
        case when {{ exact('native.volume') }} is not null then {{ exact('compared.volume') }} end
            as exact_volume_beside_native,
        case when {{ exact('compared.volume') }} is not null then {{ exact('native.volume') }} end
            as exact_native_volume
    from compared
    inner join consensus_bars
        on
            compared.instrument_id = consensus_bars.instrument_id
            and compared.timeframe = consensus_bars.timeframe
            and compared.bar_start_at = consensus_bars.bar_start_at
    left join compared as native
        on
            compared.is_derived
            and not native.is_derived
            and compared.instrument_id = native.instrument_id
            and compared.timeframe = native.timeframe
            and compared.bar_start_at = native.bar_start_at
            and compared.provider = native.provider
),

sessions as (
    select
        instrument_id,
        asset_class,
        timeframe,
        session_date,
        provider,
        is_derived,
        count(*) as bar_count,
        median(close_deviation_bps) as close_deviation_bps,
        max(abs(close_deviation_bps)) as max_close_deviation_bps,
        max(native_deviation_bps) as max_native_deviation_bps,
        count(native_deviation_bps) as native_bar_count,
        cast(sum(exact_volume_beside_native) as double) as volume_beside_native,
        cast(sum(exact_native_volume) as double) as native_volume,
        cast(
            case when count({{ exact('volume') }}) = count(*) then sum({{ exact('volume') }}) end
            as double
        ) as volume
    from measured
    group by all
),

session_votes as (
    select *
    from sessions
    qualify
        row_number() over (
            partition by instrument_id, timeframe, session_date, provider order by is_derived
        ) = 1
),

-- Of two that differ, neither is known to be wrong; of three, the one that is farthest off.
session_consensus as (
    select
        instrument_id,
        timeframe,
        session_date,
        count(*) as provider_count,
        median(volume) as consensus_volume,
        max(max_close_deviation_bps) as largest_deviation_bps,
        max(max_close_deviation_bps, 2)[2] as second_deviation_bps,
        arg_max(provider, max_close_deviation_bps) as farthest_provider
    from session_votes
    group by all
),

told as (
    select
        sessions.instrument_id,
        sessions.asset_class,
        sessions.timeframe,
        sessions.session_date,
        sessions.provider,
        sessions.is_derived,
        session_consensus.provider_count,
        sessions.bar_count,
        consensus_sessions.consensus_bar_count - sessions.bar_count as missing_bar_count,
        sessions.close_deviation_bps,
        sessions.max_close_deviation_bps,
        case
            when session_consensus.consensus_volume > 0
                then sessions.volume / session_consensus.consensus_volume
        end as volume_ratio,
        sessions.native_bar_count,
        sessions.max_native_deviation_bps,
        case
            when sessions.volume_beside_native > 0
                then sessions.native_volume / sessions.volume_beside_native
        end as native_volume_ratio,
        case
            when
                session_consensus.provider_count > 2
                and session_consensus.largest_deviation_bps
                > session_consensus.second_deviation_bps
                + {{ double(var('agreement_tolerance_bps')) }}
                then session_consensus.farthest_provider
        end as outlier_provider,
        coalesce(sessions.provider = outlier_provider, false) as is_outlier
    from sessions
    inner join session_consensus
        on
            sessions.instrument_id = session_consensus.instrument_id
            and sessions.timeframe = session_consensus.timeframe
            and sessions.session_date = session_consensus.session_date
    inner join consensus_sessions
        on
            sessions.instrument_id = consensus_sessions.instrument_id
            and sessions.timeframe = consensus_sessions.timeframe
            and sessions.session_date = consensus_sessions.session_date
),

lost as (
    select
        silent.instrument_id,
        silent.asset_class,
        silent.timeframe,
        silent.session_date,
        silent.provider,
        false as is_derived,
        session_consensus.provider_count,
        cast(0 as bigint) as bar_count,
        consensus_sessions.consensus_bar_count as missing_bar_count,
        cast(0 as bigint) as native_bar_count,
        false as is_outlier
    from silent
    inner join session_consensus
        on
            silent.instrument_id = session_consensus.instrument_id
            and silent.timeframe = session_consensus.timeframe
            and silent.session_date = session_consensus.session_date
    inner join consensus_sessions
        on
            silent.instrument_id = consensus_sessions.instrument_id
            and silent.timeframe = consensus_sessions.timeframe
            and silent.session_date = consensus_sessions.session_date
),

final as (
    select * from told
    union all by name
    select * from lost
)

select * from final
