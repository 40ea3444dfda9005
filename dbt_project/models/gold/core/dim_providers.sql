with providers as (
    select * from {{ ref('providers') }}
),

batches as (
    select * from {{ ref('load_batches') }}
),

landed as (
    select
        provider,
        count(distinct dataset) as dataset_count,
        min(fetched_at) as first_fetched_at,
        max(fetched_at) as last_fetched_at
    from batches
    group by provider
),

final as (
    select
        providers.provider,
        providers.name,
        providers.kind,
        providers.kind = 'simulated' as is_simulated,
        coalesce(landed.dataset_count, 0) as dataset_count,
        landed.first_fetched_at,
        landed.last_fetched_at
    from providers
    left join landed on providers.provider = landed.provider
)

select * from final
order by provider
