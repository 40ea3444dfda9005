{% macro labelled_by_session(source, start, time_zone, hours_before=0) %}
    {#-
        The rows of `source` with `labelled_at`: when the bar starts that `start` names, but for those
        of a day, which are labelled by the date of their session; see `session_midnight`.
    -#}
    select
        *,
        case
            when _timeframe = '1d' then {{ session_midnight('start_at', time_zone, hours_before) }}
            else start_at
        end as labelled_at
    from (select *, {{ utc_timestamp(start) }} as start_at from {{ source }}) as timed
{%- endmacro %}
