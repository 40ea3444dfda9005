{% macro generate_schema_name(custom_schema_name, node) %}
    {#- Schemas are named as written: `silver`, not `<target>_silver`. -#}
    {{- (custom_schema_name or target.schema) | trim -}}
{% endmacro %}
