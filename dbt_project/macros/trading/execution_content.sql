{% macro execution_content() %}
    {#- The columns of `executions` that anything is computed from: not those of where it was told. -#}
    {% do return([
        'account_id', 'execution_id', 'decision_id', 'strategy', 'instrument_id', 'asset_class',
        'symbol', 'side', 'quantity', 'price', 'quote_currency', 'executed_at', 'base_currency',
        'currency_rate', 'gross_amount_base', 'fee_base',
    ]) %}
{% endmacro %}
