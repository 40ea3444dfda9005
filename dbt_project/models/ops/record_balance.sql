{#- Records that their own views judge, and where they are kept when they are bad; bars apart. -#}
{%- set judged_records = [
    'int_instruments__records', 'int_corporate_actions__records', 'int_quote_bars__records',
    'int_trades__records', 'int_quotes__records', 'int_fundamentals__records',
    'int_articles__records', 'int_posts__records', 'int_decisions__records',
    'int_executions__records', 'int_cash_movements__records',
] -%}
{%- set quarantines = [
    'reference_quarantined', 'ticks_quarantined', 'trading_quarantined',
] -%}

with batches as (
    select * from {{ ref('load_batches') }}
),

-- A record that gives bid, ask and what is between them is accounted for as a bar.
bar_batches as (
    select batch_id from batches
    where dataset = 'bars'
),

accepted as (
    select
        _batch_id,
        _row
    from {{ ref('bar_versions') }}
    {%- for name in judged_records %}
    union all
    select
        records._batch_id,
        records._row
    from {{ ref(name) }} as records
    anti join bar_batches on records._batch_id = bar_batches.batch_id
    where len(records.reasons) = 0
    {%- endfor %}
    union all
    select
        _batch_id,
        _row
    from {{ ref('stg_exchange_calendars__sessions') }}
    where coalesce(session_date is not null and open_at < close_at, false)
),

quarantined as (
    select
        _batch_id,
        _row
    from {{ ref('bars_quarantined') }}
    {%- for name in quarantines %}
    union all
    select
        records._batch_id,
        records._row
    from {{ ref(name) }} as records
    anti join bar_batches on records._batch_id = bar_batches.batch_id
    {%- endfor %}
),

judged as (
    select
        *,
        true as is_accepted
    from accepted
    union all
    select
        *,
        false as is_accepted
    from quarantined
),

counts as (
    select
        _batch_id,
        count(*) filter (where is_accepted) as accepted_count,
        count(*) filter (where not is_accepted) as quarantined_count,
        max(_row) + 1 as row_numbers,
        sum(_row) as row_sum,
        sum(_row * _row) as row_square_sum
    from judged
    group by _batch_id
),

final as (
    select
        batches.batch_id,
        batches.provider,
        batches.dataset,
        batches.row_count as landed_count,
        coalesce(counts.accepted_count, 0) as accepted_count,
        coalesce(counts.quarantined_count, 0) as quarantined_count,
        -- Rows are numbered from 0: as many records as landed, none beyond the last, and the right
        -- sums of their numbers and squares. That no row is there twice has tests of its own.
        coalesce(counts.accepted_count + counts.quarantined_count, 0) = batches.row_count
        and coalesce(counts.row_numbers, 0) = batches.row_count
        and coalesce(counts.row_sum, 0)
        = cast(batches.row_count as hugeint) * (batches.row_count - 1) // 2
        and coalesce(counts.row_square_sum, 0)
        = cast(batches.row_count as hugeint) * (batches.row_count - 1)
        * (2 * batches.row_count - 1) // 6 as is_balanced
    from batches
    left join counts on batches.batch_id = counts._batch_id
)

select * from final
order by batch_id
