with source as (
    select * from {{ lake_source('fmp', 'splits') }}
),

final as (
    select
        {{ standard_corporate_action(
            symbol='symbol',
            asset_class="'equity'",
            action_type="'split_or_spin_off'",
            ex_date='date',
            ratio='try_cast(numerator as double) / nullif(try_cast(denominator as double), 0)'
        ) }}
    from source
)

select * from final
