{{ alpha_vantage_statements('balance_sheets', "'balance'") }}
