{% macro utc_from_epoch(text) %}
    {#-
        Read text as whole seconds, milliseconds, microseconds or nanoseconds since
        1970-01-01T00:00:00Z, told apart by magnitude, in the years 1 to 9999, or NULL. Right for all
        times from April 1973 on.
    -#}
    {%- set moment = 'try_cast(' ~ text ~ ' as bigint)' -%}
    {%- set microseconds -%}
        case
            when {{ moment }} between -100000000000 and 100000000000 then {{ moment }} * 1000000
            when {{ moment }} between -100000000000000 and 100000000000000 then {{ moment }} * 1000
            when {{ moment }} between -100000000000000000 and 100000000000000000 then {{ moment }}
            else {{ moment }} // 1000
        end
    {%- endset %}
    make_timestamp({{ strictly_between(microseconds, "-62135596800000000", "253402214400000000") }})
{%- endmacro %}
