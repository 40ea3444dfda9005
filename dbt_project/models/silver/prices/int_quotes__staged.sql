{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_serve__quotes',
    'stg_alpaca_sip__quotes',
    'stg_alpaca_iex__quotes',
    'stg_alpaca__quotes',
    'stg_coinbase__tickers',
]) }}
