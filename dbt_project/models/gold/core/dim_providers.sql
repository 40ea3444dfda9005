with providers as (
    select * from {{ ref('providers') }}
),

final as (
    select
        provider,
        name,
        kind,
        kind = 'simulated' as is_simulated,
        listings_of
    from providers
)

select * from final
order by provider
