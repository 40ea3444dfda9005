{% macro base_currency(listed) %}
    {#- The base currency of an account, from the seed's column for it (NULL: not listed). -#}
    coalesce({{ listed }}, '{{ var("base_currency") }}')
{%- endmacro %}
