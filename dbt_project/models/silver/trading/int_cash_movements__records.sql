{{ config(materialized='view', schema='staging') }}

with movements as (
    {{ staged_union(['stg_inbox__cash_movements'], without=['reasons']) }}
),

final as (
    select
        *,
        {{ reasons([
            (
                'missing_value',
                'movement_id is null or account_id is null or currency is null'
                ~ ' or moved_at_text is null or amount_text is null'
            ),
            ('not_a_number', 'amount_text is not null and amount is null'),
            ('unreadable_time', 'moved_at_text is not null and moved_at is null'),
            (
                'unknown_action',
                "coalesce(kind, '') not in"
                ~ " ('deposit', 'withdrawal', 'dividend', 'interest', 'fee', 'opening')"
            ),
        ]) }} as reasons
    from movements
)

select * from final
