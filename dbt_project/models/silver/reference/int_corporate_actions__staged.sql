{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_inbox__corporate_actions',
    'stg_alpha_vantage__splits',
    'stg_alpha_vantage__dividends',
    'stg_fmp__splits',
    'stg_fmp__dividends',
    'stg_alpaca__corporate_actions',
    'stg_sample__corporate_actions',
]) }}
