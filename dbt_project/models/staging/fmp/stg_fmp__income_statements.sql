{{ fmp_statements('income_statements', "'income'") }}
