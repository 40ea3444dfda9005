with batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        batch_id,
        provider,
        dataset,
        file,
        ledger ->> '$.loader_version' as loader_version,
        fetched_at,
        row_count,
        cast(ledger ->> '$.dead_letters' as bigint) as dead_letter_count,
        cast(json_array_length(ledger, '$.entries') as bigint) as request_count
    from batches
)

select * from final
order by fetched_at, batch_id
