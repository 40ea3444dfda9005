{% macro plain_text(text) %}
    {#- The first 2,000 characters of a text, without markup, or NULL for none. -#}
    nullif(trim(left(
        case
            when contains({{ text }}, '<') then regexp_replace({{ text }}, '<[^<>]*>', ' ', 'g')
            else {{ text }}
        end,
        2000
    )), '')
{%- endmacro %}
