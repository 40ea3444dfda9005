{#-
    How finer bars make coarser ones: of the current versions in `int_bars__derived`, and of those that
    held at other times in `int_bars__known`.
-#}

{% macro holes(current_versions) %}
    {#-
        The CTE `holes`: records of the CTE `quarantined` in whose place `current_versions`, the bars
        of a provider, has nothing.
    -#}
-- A record that was sent but is not good enough leaves a hole that no coarser bar may hide.
holes as (
    select distinct
        quarantined.provider,
        quarantined.instrument_id,
        split_part(quarantined.instrument_id, ':', 1) as asset_class,
        quarantined.timeframe,
        quarantined.bar_start_at,
        quarantined.session_date,
        false as is_final
    from quarantined
    anti join {{ current_versions }}
        on
            quarantined.provider = {{ current_versions }}.provider
            and quarantined.instrument_id = {{ current_versions }}.instrument_id
            and quarantined.timeframe = {{ current_versions }}.timeframe
            and quarantined.bar_start_at = {{ current_versions }}.bar_start_at
    where
        quarantined.instrument_id is not null
        and quarantined.bar_start_at is not null
        and not list_has_any(quarantined.reasons, ['unaligned_start', 'start_in_future'])
)
{%- endmacro %}


{% macro bucketed_bars(constituents) %}
    {#-
        The CTE `bucketed`: the rows of `constituents`, bars of a provider, once for each coarser bar
        that they are part of. Reads the CTEs `timeframes`, `asset_classes` and `sessions`.
    -#}
-- Regular hours only; the grid counts from the session's open.
bucketed as (
    select
        {{ constituents }}.*,
        coarser.timeframe as target_timeframe,
        sessions.close_at,
        case
            when coarser.timeframe = '1d' then sessions.open_at
            when coarser.seconds <= 900
                then time_bucket(to_seconds(coarser.seconds), {{ constituents }}.bar_start_at)
            else
                time_bucket(
                    to_seconds(coarser.seconds), {{ constituents }}.bar_start_at, sessions.open_at
                )
        end as bucket_open_at,
        case
            when coarser.timeframe = '1d' then sessions.close_at
            else least(bucket_open_at + to_seconds(coarser.seconds), sessions.close_at)
        end as bucket_end_at,
        case
            when coarser.timeframe = '1d' then cast({{ constituents }}.session_date as timestamp)
            else bucket_open_at
        end as bucket_start_at
    from {{ constituents }}
    inner join timeframes as finer on {{ constituents }}.timeframe = finer.timeframe
    inner join timeframes as coarser on finer.seconds < coarser.seconds
    inner join asset_classes on {{ constituents }}.asset_class = asset_classes.asset_class
    inner join sessions
        on
            asset_classes.calendar = sessions.calendar
            and {{ constituents }}.session_date = sessions.session_date
    where
        {{ constituents }}.bar_start_at >= sessions.open_at
        and {{ constituents }}.bar_start_at < sessions.close_at
)
{%- endmacro %}


{% macro derived_bars(bucketed, told_at=none) %}
    {#-
        The CTE `derived_bars`: the complete coarser bars that the rows of `bucketed` make, from each
        finer timeframe. With `told_at`, a column of `bucketed`, those of each of its values. Reads the
        CTEs `covered_ranges`, `precedence` and `timeframes`.
    -#}
-- Sums are exact: a floating-point sum would depend on the order of its rows. What is too large to
-- be summed exactly is not summed.
aggregated as (
    select
        provider,
        instrument_id,
        asset_class,
        target_timeframe as timeframe,
        timeframe as source_timeframe,
        bucket_start_at as bar_start_at,
        bucket_open_at,
        bucket_end_at as bar_end_at,
        session_date,
        {% if told_at %}{{ told_at }},
        {% endif -%}
        arg_min(open, bar_start_at) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_start_at) as close,
        sum({{ exact('volume') }}) as volume_sum,
        sum({{ exact('vwap * volume') }}) as turnover_sum,
        count({{ exact('volume') }}) = count(*) as has_volume,
        count({{ exact('vwap * volume') }}) = count(*) as has_turnover,
        case when count(trade_count) = count(*) then sum(trade_count) end as trade_count,
        max(available_at) as constituents_available_at,
        count(*) as constituent_count
    from {{ bucketed }}
    group by all
    having bool_and(is_final)
),

complete as (
    select aggregated.*
    from aggregated
    semi join covered_ranges
        on
            aggregated.provider = covered_ranges.provider
            and aggregated.instrument_id = covered_ranges.instrument_id
            and aggregated.source_timeframe = covered_ranges.timeframe
            and aggregated.bucket_open_at >= covered_ranges.start_at
            and aggregated.bar_end_at <= covered_ranges.end_at
),

derived_bars as (
    select
        complete.provider,
        complete.instrument_id,
        complete.asset_class,
        complete.timeframe,
        complete.source_timeframe,
        complete.bar_start_at,
        complete.bar_end_at,
        complete.session_date,
        complete.open,
        complete.high,
        complete.low,
        complete.close,
        case when complete.has_volume then cast(complete.volume_sum as double) end as volume,
        case
            when complete.has_volume and complete.has_turnover and complete.volume_sum > 0
                then cast(complete.turnover_sum as double) / cast(complete.volume_sum as double)
        end as vwap,
        try_cast(complete.trade_count as bigint) as trade_count,
        greatest(
            complete.bar_end_at + to_seconds(precedence.availability_lag_seconds),
            complete.constituents_available_at
        ) as available_at,
        complete.constituent_count,
        {% if told_at %}complete.{{ told_at }},
        {% endif -%}
        timeframes.seconds as source_seconds
    from complete
    inner join precedence
        on
            complete.provider = precedence.provider
            and complete.asset_class = precedence.asset_class
    inner join timeframes on complete.source_timeframe = timeframes.timeframe
)
{%- endmacro %}
