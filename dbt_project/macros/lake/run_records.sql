{% macro run_records(columns) %}
    {#-
        The immutable records of all earlier builds, good and bad, one row per build, with the given
        `{name: type}` columns. Empty before the first build has ended.
    -#}
    {%- set pattern = data_path() ~ '/runs/*.json' -%}
    (
        {%- if has_files(pattern) %}
        select *
        from read_json(
            '{{ pattern }}',
            columns = {
                {%- for name, type in columns.items() %}
                {{ name }}: '{{ type }}'{{ ',' if not loop.last }}
                {%- endfor %}
            }
        )
        {%- else %}
        select
            {%- for name, type in columns.items() %}
            cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        where false
        {%- endif %}
    )
{%- endmacro %}
