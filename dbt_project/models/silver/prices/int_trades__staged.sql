{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_serve__trades',
    'stg_alpaca_sip__trades',
    'stg_alpaca_iex__trades',
    'stg_alpaca__trades',
    'stg_coinbase__matches',
]) }}
