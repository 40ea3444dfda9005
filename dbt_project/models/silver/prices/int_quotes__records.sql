{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with quotes as (
    {{ ticks_with_instruments(ref('int_quotes__staged'), 'quoted_at') | indent(4) }}
),

final as (
    select
        *,
        {{ reasons(quote_rules()) }} as reasons
    from quotes
)

select * from final
