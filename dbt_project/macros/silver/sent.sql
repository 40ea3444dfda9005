{% macro sent_text(text) -%}
    {#- Text as sent, without the space around it; NULL for none. -#}
    nullif(trim(cast({{ text }} as varchar)), '')
{%- endmacro %}


{% macro sent_numbers(texts) %}
    {#- `<name>_text` as sent and `<name>` as a number for each `{name: SQL}`; counts are whole. -#}
    {%- for name, text in texts.items() %}
    {{ sent_text(text) }} as {{ name }}_text,
    {%- endfor %}
    {%- for name, text in texts.items() %}
    try_cast({{ text }} as {{ 'bigint' if name.endswith('_count') else 'double' }}) as {{ name }}
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro unreadable_numbers(names) %}
    {#- Whether any of the numbers was sent as text that is no finite number. -#}
    {%- for name in names -%}
    ({{ name }}_text is not null and not coalesce(isfinite(cast({{ name }} as double)), false))
    {{- ' or ' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro lineage() %}
    {#- The lake's lineage, with its time as a plain UTC timestamp. -#}
    _extra,
    _symbol,
    cast(_fetched_at as timestamp) as _fetched_at,
    _batch_id,
    _row
{%- endmacro %}
