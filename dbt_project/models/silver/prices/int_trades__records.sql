{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with trades as (
    {{ ticks_with_instruments(ref('int_trades__staged'), 'traded_at') | indent(4) }}
),

final as (
    select
        *,
        {{ reasons(trade_rules()) }} as reasons
    from trades
)

select * from final
