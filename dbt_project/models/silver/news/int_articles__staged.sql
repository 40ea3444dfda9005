{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_inbox__news_articles',
    'stg_alpha_vantage__news_sentiment',
    'stg_alpaca__news',
]) }}
