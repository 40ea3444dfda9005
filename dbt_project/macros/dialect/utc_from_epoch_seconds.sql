{% macro utc_from_epoch_seconds(text) %}
    {#- Read text as whole seconds since 1970-01-01T00:00:00Z, or NULL. -#}
    make_timestamp(try_cast({{ text }} as bigint) * 1000000)
{%- endmacro %}
