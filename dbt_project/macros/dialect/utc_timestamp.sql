{% macro utc_timestamp(text) %}
    {#-
        Read text as a UTC timestamp, or NULL. An offset is honoured; text without one is UTC (the
        session's time zone, which the profile sets).
    -#}
    cast(
        nullif(try_cast({{ text }} as timestamptz), timestamptz 'infinity') as timestamp
    )
{%- endmacro %}


{% macro local_timestamp(utc, time_zone) %}
    {#- The wall-clock time in `time_zone` at a UTC timestamp. -#}
    timezone({{ time_zone }}, timezone('UTC', {{ utc }}))
{%- endmacro %}


{% macro utc_from_local(local, time_zone) %}
    {#- The UTC timestamp of a wall-clock time in `time_zone`. -#}
    timezone('UTC', timezone({{ time_zone }}, {{ local }}))
{%- endmacro %}
