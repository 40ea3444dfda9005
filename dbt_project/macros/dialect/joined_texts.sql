{% macro joined_texts(list) %}
    {#- The texts of a JSON list with commas between them; NULL where it is none. -#}
    array_to_string(try(json_extract_string({{ list }}, '$[*]')), ', ')
{%- endmacro %}
