with listings as (
    select * from {{ ref('int_instruments__staged') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

final as (
    select
        listings.*,
        {{ reasons([
            ('missing_value', 'listing_id is null or symbol is null or provider_symbol is null'),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            (
                'unreadable_time',
                '(effective_text is not null and effective_at is null)'
                ~ ' or (listed_text is not null and listed_at is null)'
                ~ ' or (delisted_text is not null and delisted_at is null)'
            ),
            ('ends_before_start', 'delisted_at < listed_at'),
        ]) }} as reasons
    from listings
    left join asset_classes on listings.asset_class = asset_classes.asset_class
)

select * from final
