{% macro bars_with_sessions(staged) %}
    {#-
        Staged bars with what their meaning needs: the instrument that the symbol map says their symbol
        was at the time, their session, when they open and when they end.
    -#}
with staged as (
    select * from {{ staged }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

dated as (
    select
        staged.*,
        asset_classes.calendar,
        timeframes.seconds as timeframe_seconds,
        coalesce(staged.given_instrument_id, symbol_map.instrument_id) as instrument_id,
        cast(
            case
                when staged.timeframe = '1d' or asset_classes.calendar = '24/7'
                    then staged.bar_start_at
                when asset_classes.calendar = 'FX'
                    then
                        {{ local_timestamp('staged.bar_start_at', 'asset_classes.time_zone') }}
                        + interval 7 hour
                else {{ local_timestamp('staged.bar_start_at', 'asset_classes.time_zone') }}
            end as date
        ) as session_date
    from staged
    left join asset_classes on staged.asset_class = asset_classes.asset_class
    left join timeframes on staged.timeframe = timeframes.timeframe
    left join symbol_map
        on
            staged.provider = symbol_map.provider
            and staged.provider_symbol = symbol_map.provider_symbol
            and staged.asset_class = symbol_map.asset_class
            and staged.bar_start_at >= symbol_map.valid_from
            and staged.bar_start_at < symbol_map.valid_to
),

final as (
    select
        dated.*,
        sessions.open_at as session_open_at,
        case when dated.timeframe = '1d' then sessions.open_at else dated.bar_start_at end
            as bar_opens_at,
        case
            when dated.timeframe = '1d' then sessions.close_at
            -- The last bar of a session may be short.
            when dated.bar_start_at < sessions.close_at and dated.bar_start_at >= sessions.open_at
                then
                    least(
                        dated.bar_start_at + to_seconds(dated.timeframe_seconds), sessions.close_at
                    )
            else dated.bar_start_at + to_seconds(dated.timeframe_seconds)
        end as bar_end_at
    from dated
    left join sessions
        on
            dated.calendar = sessions.calendar
            and dated.session_date = sessions.session_date
)

select * from final
{%- endmacro %}
