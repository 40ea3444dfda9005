{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_inbox__bars',
    'stg_serve__bars',
    'stg_alpha_vantage__bars',
    'stg_fmp__bars',
    'stg_alpaca_sip__bars',
    'stg_alpaca_iex__bars',
    'stg_alpaca__bars',
    'stg_coinbase__bars',
    'stg_oanda__bars',
    'stg_kraken__bars',
    'stg_binance__bars',
    'stg_sample__bars',
    'stg_simulator__bars',
]) }}
