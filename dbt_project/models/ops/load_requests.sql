with batches as (
    select * from {{ ref('build_batches') }}
),

numbered as (
    select
        batch_id,
        provider,
        dataset,
        cast(ledger ->> '$.finality_lag_seconds' as double) as finality_lag_seconds,
        cast(ledger ->> '$.recheck_empty_after_seconds' as double) as recheck_empty_after_seconds,
        unnest(from_json(cast(ledger -> '$.entries' as json), '["json"]')) as entry,
        generate_subscripts(from_json(cast(ledger -> '$.entries' as json), '["json"]'), 1)
            as request_number
    from batches
),

requests as (
    select
        batch_id,
        cast(request_number as bigint) as request_number,
        provider,
        dataset,
        entry ->> '$.symbol' as symbol,
        entry ->> '$.timeframe' as timeframe,
        entry ->> '$.params.asset_class' as asset_class,
        entry ->> '$.params' as params,
        {{ utc_timestamp("entry ->> '$.start'") }} as start_at,
        {{ utc_timestamp("entry ->> '$.end'") }} as end_at,
        {{ utc_timestamp("entry ->> '$.fetched_at'") }} as fetched_at,
        finality_lag_seconds,
        recheck_empty_after_seconds,
        entry ->> '$.status' = 'complete' as is_complete,
        cast(entry ->> '$.records' as bigint) as record_count,
        cast(entry ->> '$.dead_letters' as bigint) as dead_letter_count,
        entry ->> '$.confirms' as confirms_batch_id
    from numbered
),

final as (
    select
        *,
        -- An answer covers its range up to when it was fetched, less what may still change.
        case
            when is_complete and end_at is not null
                then
                    least(
                        end_at,
                        fetched_at - to_microseconds(cast(finality_lag_seconds * 1000000 as bigint))
                    )
        end as covered_until
    from requests
)

select * from final
order by batch_id, request_number
