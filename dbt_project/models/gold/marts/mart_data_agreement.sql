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

tellings as (
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

-- Where one vendor alone tells, in one way, there is nothing to compare.
compared_sessions as (
    select
        instrument_id,
        timeframe,
        session_date
    from tellings
    group by all
    having min(provider) <> max(provider) or min(is_derived) <> max(is_derived)
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
        ) as native_deviation_bps
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

final as (
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
)

select * from final
