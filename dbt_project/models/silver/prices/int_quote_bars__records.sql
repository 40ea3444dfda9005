{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with records as (
    {{ bars_with_sessions(ref('int_quote_bars__staged')) | indent(4) }}
),

final as (
    select
        *,
        {{ reasons(quote_bar_rules()) }} as reasons
    from records
)

select * from final
