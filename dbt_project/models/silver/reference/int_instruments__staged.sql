{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_inbox__instruments',
    'stg_sec_edgar__companies',
    'stg_alpha_vantage__listings',
    'stg_fmp__company_profiles',
    'stg_alpaca__assets',
    'stg_coinbase__products',
    'stg_oanda__instruments',
    'stg_kraken__asset_pairs',
    'stg_binance__products',
    'stg_sample__instruments',
    'stg_simulator__instruments',
]) }}
