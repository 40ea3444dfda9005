{% macro daily_return(pnl, capital) -%}
    {#- A day's profit by the capital at work on it; NULL where there was none. -#}
    cast({{ pnl }} as double) / cast(case when {{ capital }} > 0 then {{ capital }} end as double)
{%- endmacro %}


{% macro capital_at_work(previous_equity, net_deposits) -%}
    {#-
        What an account could earn with on a day: its equity of the day before (nothing before its first
        day) and what was paid in on the day. What is taken out on the day worked until then.
    -#}
    coalesce({{ previous_equity }}, 0) + greatest({{ net_deposits }}, 0)
{%- endmacro %}
