with source as (
    select * from {{ lake_source('alpaca', 'trades') }}
),

final as (
    select
        {{ alpaca_trade(
            "'crypto'", side="case taker_side when 'B' then 'buy' when 'S' then 'sell' end"
        ) }}
    from source
)

select * from final
