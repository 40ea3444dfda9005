{% macro decision_content() %}
    {#- What is told of a decision, and where: the columns that `decision_history` keeps as they are. -#}
    {% do return([
        'decision_id', 'account_id', 'strategy', 'instrument_id', 'asset_class', 'symbol',
        'timeframe', 'action', 'confidence', 'position_size', 'method', 'provider_votes',
        'reasoning', 'decided_at', '_fetched_at', '_batch_id', '_row',
    ]) %}
{% endmacro %}
