{% macro vwap(typical_price, volume, period, partition_by='series_no', order_by='bar_no', bar_no='bar_no') -%}
    {#- Volume-weighted average of the typical price over `period` bars; NULL where none was traded. -#}
    {{ from_bar(period - 1, rolling("sum(" ~ typical_price ~ " * " ~ volume ~ ")", period, partition_by, order_by)
        ~ " / nullif(" ~ rolling("sum(" ~ volume ~ ")", period, partition_by, order_by) ~ ", 0)", bar_no) }}
{%- endmacro %}


{% macro vwap_session(typical_price, volume, session, order_by='bar_no') -%}
    {#- The same since the session's first bar; `session` is the partition, series and session date. -#}
    {%- set so_far = "over (partition by " ~ session ~ " order by " ~ order_by ~ " rows unbounded preceding)" -%}
    sum({{ typical_price }} * {{ volume }}) {{ so_far }} / nullif(sum({{ volume }}) {{ so_far }}, 0)
{%- endmacro %}
