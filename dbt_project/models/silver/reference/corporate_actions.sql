with records as (
    select * from {{ ref('int_corporate_actions__records') }}
    where len(reasons) = 0
),

precedence as (
    select * from {{ ref('bar_precedence') }}
),

final as (
    select
        records.instrument_id,
        records.action_type,
        records.ex_date,
        records.ratio as split_ratio,
        records.amount as dividend_amount,
        records.currency as dividend_currency,
        records.provider,
        -- Announced before, effective from the first moment of the ex-date.
        cast(records.ex_date as timestamp) as available_at,
        records._fetched_at,
        records._batch_id,
        records._row
    from records
    inner join precedence on records.provider = precedence.provider
    qualify
        row_number() over (
            partition by records.instrument_id, records.action_type, records.ex_date
            order by
                precedence.precedence asc,
                records._fetched_at desc,
                records._batch_id desc,
                records._row desc
        ) = 1
)

select * from final
order by instrument_id, ex_date, action_type
