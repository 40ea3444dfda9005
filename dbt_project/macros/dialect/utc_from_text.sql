{% macro utc_from_zoned_text(text, time_zone) %}
    {#-
        Read text as a UTC timestamp, or NULL. An offset is honoured; text without one is wall-clock
        time in `time_zone`.
    -#}
    case
        when regexp_matches({{ text }}, '(Z|[+-]\d\d:?(\d\d)?)$') and contains({{ text }}, ':')
            then {{ utc_timestamp(text) }}
        else {{ utc_from_local(
            strictly_between(
                "try_cast(" ~ text ~ " as timestamp)",
                "timestamp '0001-01-01 00:00:00'",
                "timestamp '9999-12-30 00:00:00'"
            ),
            "'" ~ time_zone ~ "'"
        ) }}
    end
{%- endmacro %}


{% macro utc_from_document_text(text, is_epoch=false) %}
    {#-
        Read the time of an article or post as a UTC timestamp, or NULL: ISO 8601, YYYYMMDDTHHMM and
        YYYYMMDDTHHMMSS, or seconds since 1970 if asked for.
    -#}
    coalesce(
        {%- if is_epoch %}
        make_timestamp(cast(
            {{ strictly_between(
                "try_cast(" ~ text ~ " as decimal(20, 6))", "-62135596800", "253402214400"
            ) }} * 1000000 as bigint
        )),
        {%- endif %}
        case
            when regexp_full_match(trim(cast({{ text }} as varchar)), '\d{8}T\d{4}(\d{2})?')
                then
                    {{ strictly_between(
                        "try_strptime(trim(cast(" ~ text ~ " as varchar)),"
                        ~ " ['%Y%m%dT%H%M%S', '%Y%m%dT%H%M'])",
                        "timestamp '0001-01-01 00:00:00'",
                        "timestamp '9999-12-31 00:00:00'"
                    ) }}
            else {{ utc_timestamp("cast(" ~ text ~ " as varchar)") }}
        end
    )
{%- endmacro %}
