with actions as (
    select * from {{ ref('stg_sample__corporate_actions') }}
),

symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

final as (
    select
        actions.*,
        symbol_map.instrument_id,
        {{ reasons([
            (
                'missing_value',
                "actions.provider_symbol is null or ex_date_text is null"
                ~ " or (action_type = 'split' and ratio_text is null)"
                ~ " or (action_type = 'dividend' and amount_text is null)"
            ),
            (
                'not_a_number',
                '(ratio_text is not null and not coalesce(isfinite(ratio), false))'
                ~ ' or (amount_text is not null and not coalesce(isfinite(amount), false))'
            ),
            ('not_positive', 'ratio <= 0 or amount <= 0'),
            ('unreadable_time', 'ex_date_text is not null and ex_date is null'),
            ('unknown_action', "coalesce(action_type, '') not in ('split', 'dividend')"),
            (
                'unmapped_symbol',
                'actions.provider_symbol is not null and ex_date is not null'
                ~ ' and symbol_map.instrument_id is null'
            ),
        ]) }} as reasons
    from actions
    left join symbol_map
        on
            actions.provider = symbol_map.provider
            and actions.provider_symbol = symbol_map.provider_symbol
            and actions.asset_class = symbol_map.asset_class
            and actions.ex_date >= symbol_map.valid_from
            and actions.ex_date < symbol_map.valid_to
)

select * from final
