{% macro session_midnight(start_at, time_zone, hours_before=0) %}
    {#-
        The label of a daily bar: midnight UTC of its session date. Bars that start at midnight in
        `time_zone`, or `hours_before` earlier, belong to the date of that midnight; a bar that starts
        at another time keeps it.
    -#}
    {%- set midnight = local_timestamp(start_at, "'" ~ time_zone ~ "'")
        ~ (' + interval ' ~ hours_before ~ ' hour' if hours_before else '') %}
    case
        when date_trunc('day', {{ midnight }}) = {{ midnight }} then {{ midnight }}
        else {{ start_at }}
    end
{%- endmacro %}
