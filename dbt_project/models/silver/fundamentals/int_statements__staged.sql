{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_alpha_vantage__income_statements',
    'stg_alpha_vantage__balance_sheets',
    'stg_alpha_vantage__cash_flows',
    'stg_alpha_vantage__company_overviews',
    'stg_fmp__income_statements',
    'stg_fmp__balance_sheets',
    'stg_fmp__cash_flows',
]) }}
