with batches as (
    select * from {{ ref('load_batches') }}
),

accepted as (
    select _batch_id, _row from {{ ref('bar_versions') }}
    union all
    select _batch_id, _row from {{ ref('int_instruments__records') }}
    where len(reasons) = 0
    union all
    select _batch_id, _row from {{ ref('int_corporate_actions__records') }}
    where len(reasons) = 0
    union all
    select _batch_id, _row from {{ ref('stg_exchange_calendars__sessions') }}
    where coalesce(session_date is not null and open_at < close_at, false)
),

quarantined as (
    select _batch_id, _row from {{ ref('bars_quarantined') }}
    union all
    select _batch_id, _row from {{ ref('reference_quarantined') }}
),

accepted_counts as (
    select
        _batch_id,
        count(*) as record_count,
        count(distinct _row) as distinct_count,
        sum(_row) as row_sum
    from accepted
    group by all
),

quarantined_counts as (
    select
        _batch_id,
        count(*) as record_count,
        count(distinct _row) as distinct_count,
        sum(_row) as row_sum
    from quarantined
    group by all
),

final as (
    select
        batches.batch_id,
        batches.provider,
        batches.dataset,
        batches.row_count as landed_count,
        coalesce(accepted_counts.record_count, 0) as accepted_count,
        coalesce(quarantined_counts.record_count, 0) as quarantined_count,
        -- Rows are numbered from 0 without gaps, so equal counts, distinct numbers and the right
        -- sum of them leave no room for one row lost and another doubled.
        coalesce(accepted_counts.record_count, 0) = coalesce(accepted_counts.distinct_count, 0)
        and coalesce(quarantined_counts.record_count, 0)
        = coalesce(quarantined_counts.distinct_count, 0)
        and coalesce(accepted_counts.record_count, 0) + coalesce(quarantined_counts.record_count, 0)
        = batches.row_count
        and coalesce(accepted_counts.row_sum, 0) + coalesce(quarantined_counts.row_sum, 0)
        = cast(batches.row_count as hugeint) * (batches.row_count - 1) / 2 as is_balanced
    from batches
    left join accepted_counts on batches.batch_id = accepted_counts._batch_id
    left join quarantined_counts on batches.batch_id = quarantined_counts._batch_id
)

select * from final
order by batch_id
