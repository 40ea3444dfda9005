{% macro json_entries(text) %}
    {#- The keys and values of a JSON object, as a list of (key, value) texts. -#}
    map_entries(cast(cast({{ text }} as json) as map(varchar, varchar)))
{%- endmacro %}
