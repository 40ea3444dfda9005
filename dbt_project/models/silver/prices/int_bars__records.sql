{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

{{ bars_with_sessions(ref('int_bars__staged')) }}
