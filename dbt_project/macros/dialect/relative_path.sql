{% macro relative_path(path, base) %}
    {#- The part of `path` below `base`, so that no table depends on where the data folder is. -#}
    substr({{ path }}, length('{{ base }}') + 2)
{%- endmacro %}
