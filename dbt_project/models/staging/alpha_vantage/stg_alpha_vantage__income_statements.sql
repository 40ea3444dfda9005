{{ alpha_vantage_statements('income_statements', "'income'") }}
