{% macro utc_timestamp(text) %}
    {#-
        Read text as a UTC timestamp, or NULL. An offset is honoured; text without one is UTC (the
        session's time zone, which the profile sets).
    -#}
    cast(
        {{ strictly_between(
            "try_cast(" ~ text ~ " as timestamptz)",
            "timestamptz '0001-01-01 00:00:00+00'",
            "timestamptz '9999-12-31 00:00:00+00'"
        ) }} as timestamp
    )
{%- endmacro %}


{% macro calendar_date(text) %}
    {#- Read text as a date, or NULL. -#}
    {{ strictly_between(
        "try_cast(" ~ text ~ " as date)", "date '0001-01-01'", "date '9999-12-31'"
    ) }}
{%- endmacro %}


{% macro strictly_between(value, low, high) %}
    {#-
        `value`, or NULL where it is not between the two, computed once. Times at the ends of what the
        engine can hold, infinite ones among them, would stop the build at the first sum with them.
    -#}
    nullif(nullif(greatest(least({{ value }}, {{ high }}), {{ low }}), {{ high }}), {{ low }})
{%- endmacro %}


{% macro local_timestamp(utc, time_zone) %}
    {#- The wall-clock time in `time_zone` at a UTC timestamp. -#}
    timezone({{ time_zone }}, timezone('UTC', {{ utc }}))
{%- endmacro %}


{% macro utc_from_local(local, time_zone) %}
    {#- The UTC timestamp of a wall-clock time in `time_zone`. -#}
    timezone('UTC', timezone({{ time_zone }}, {{ local }}))
{%- endmacro %}
