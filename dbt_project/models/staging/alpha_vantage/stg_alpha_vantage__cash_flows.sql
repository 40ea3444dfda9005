{{ alpha_vantage_statements('cash_flows', "'cash_flow'") }}
