{% macro utc_from_epoch_seconds(text) %}
    {#- Read text as whole seconds since 1970-01-01T00:00:00Z in the years 1 to 9999, or NULL. -#}
    make_timestamp(
        {{ strictly_between(
            "try_cast(" ~ text ~ " as bigint)", "-62135596800", "253402214400"
        ) }} * 1000000
    )
{%- endmacro %}
