{{ fmp_statements('cash_flows', "'cash_flow'") }}
