{% macro time_slice(timestamp, seconds) %}
    {#- The start of the slice of time, `seconds` long, that holds `timestamp`. -#}
    time_bucket(to_seconds({{ seconds }}), {{ timestamp }})
{%- endmacro %}
