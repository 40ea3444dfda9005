with source as (
    select * from {{ lake_source('alpha_vantage', 'splits') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='_symbol',
            asset_class="'equity'",
            action_type="'split_or_spin_off'",
            ex_date=given_number('effective_date'),
            ratio=given_number('split_factor')
        ) }}
    from source
)

select * from final
