{#- Where a series that goes on from stored rows begins to read, and what it is measured by. -#}

{% macro lookback_bars() %}
    {#- With this many bars kept, no average is in its seed and every rolling window is full. -#}
    {% do return([300, var('regime_volatility_window')] | max) %}
{% endmacro %}


{% macro bars_per_year() -%}
    {#- Bars in a year, of the CTEs `asset_classes` and `timeframes`. -#}
    ceil(asset_classes.session_seconds / timeframes.seconds) * asset_classes.sessions_per_year
{%- endmacro %}
