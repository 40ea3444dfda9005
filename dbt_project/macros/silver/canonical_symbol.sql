{% macro canonical_symbol(symbol, asset_class, share_class='-', pair='-', currencies={}) %}
    {#-
        The canonical spelling (`BRK.B`, `BTC/USD`) of a vendor's symbol, NULL for a pair that does not
        fall into two: the way back of `ingest/symbols.py`, with the same separators and
        `{canonical: vendor's}` currencies. `asset_class` is SQL. Vendors that write pairs without a
        separator list base and quote apart; pass `base || '/' || quote` and `pair='/'`.
    -#}
    {%- set parts = [] -%}
    {%- for number in (1, 2) -%}
        {%- set part = "split_part(upper(trim(" ~ symbol ~ ")), '" ~ pair ~ "', " ~ number ~ ")" -%}
        {%- do parts.append(_canonical_currency(part, currencies)) -%}
    {%- endfor %}
    case
        when {{ asset_class }} not in ('crypto', 'fx')
            then replace(upper(trim({{ symbol }})), '{{ share_class }}', '.')
        when len(string_split(trim({{ symbol }}), '{{ pair }}')) = 2
            then {{ parts | join(" || '/' || ") }}
    end
{%- endmacro %}


{% macro _canonical_currency(part, currencies) -%}
    {%- if currencies -%}
    case {{ part }}
        {%- for canonical, spelled in currencies.items() %} when '{{ spelled }}' then '{{ canonical }}'
        {%- endfor %} else {{ part }} end
    {%- else -%}
    nullif({{ part }}, '')
    {%- endif -%}
{%- endmacro %}
