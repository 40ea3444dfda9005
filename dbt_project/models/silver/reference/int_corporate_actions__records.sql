with staged as (
    select * from {{ ref('int_corporate_actions__staged') }}
),

symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

actions as (
    select
        * replace (
            case
                when
                    action_type = 'split_or_spin_off'
                    and isfinite(ratio)
                    and not {{ is_split_ratio('ratio') }}
                    then 'spin_off'
                when action_type = 'split_or_spin_off' then 'split'
                else action_type
            end as action_type
        ),
        coalesce(action_type = 'split_or_spin_off', false) as is_type_inferred
    from staged
),

final as (
    select
        actions.*,
        coalesce(actions.given_instrument_id, symbol_map.instrument_id) as instrument_id,
        {{ reasons([
            (
                'missing_value',
                "actions.provider_symbol is null or ex_date_text is null"
                ~ " or (action_type = 'split' and ratio_text is null)"
                ~ " or (action_type = 'dividend' and amount_text is null)"
                ~ " or (action_type = 'spin_off'"
                ~ " and coalesce(ratio_text, amount_text, new_share_ratio_text) is null)"
                ~ " or (action_type = 'name_change' and new_symbol is null)"
            ),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            ('not_a_number', unreadable_numbers(['ratio', 'amount', 'new_share_ratio'])),
            ('not_positive', 'ratio <= 0 or amount <= 0 or new_share_ratio <= 0'),
            ('unreadable_time', 'ex_date_text is not null and ex_date is null'),
            (
                'unknown_action',
                "coalesce(action_type, '') not in ('"
                ~ corporate_action_types() | join("', '") ~ "')"
            ),
            (
                'unmapped_symbol',
                'actions.provider_symbol is not null and ex_date is not null'
                ~ ' and actions.given_instrument_id is null and symbol_map.instrument_id is null'
            ),
        ]) }} as reasons
    from actions
    left join asset_classes on actions.asset_class = asset_classes.asset_class
    left join symbol_map
        on
            actions.provider = symbol_map.provider
            and actions.provider_symbol = symbol_map.provider_symbol
            and actions.asset_class = symbol_map.asset_class
            and actions.ex_date >= symbol_map.valid_from
            and actions.ex_date < symbol_map.valid_to
)

select * from final
