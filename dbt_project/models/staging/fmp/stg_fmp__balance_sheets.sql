{{ fmp_statements('balance_sheets', "'balance'") }}
