with records as (
    select * from {{ ref('int_cash_movements__records') }}
    where len(reasons) = 0
),

-- A movement told again replaces what was said of it before.
final as (
    select
        movement_id,
        account_id,
        kind,
        currency,
        amount,
        moved_at,
        base_currency,
        case
            when amount_rate = 1 then cast(amount as decimal(38, 12))
            else {{ amount('amount', 'amount_rate') }}
        end as amount_base,
        _fetched_at,
        _batch_id,
        _row
    from records
    qualify
        row_number() over (
            partition by account_id, movement_id
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
)

select * from final
order by moved_at, account_id, movement_id
