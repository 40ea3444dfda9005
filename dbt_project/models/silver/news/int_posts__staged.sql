{{ config(materialized='view', schema='staging') }}

-- One line per staging model.
{{ staged_union([
    'stg_inbox__social_posts',
    'stg_reddit__posts',
]) }}
