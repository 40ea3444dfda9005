with instruments as (
    select
        provider,
        'instruments' as kind,
        provider_symbol,
        reasons,
        to_json(struct_pack(
            listing_id, asset_class, symbol, name, exchange, currency, status,
            effective_date := effective_text
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_instruments__records') }}
    where len(reasons) > 0
),

corporate_actions as (
    select
        provider,
        'corporate_actions' as kind,
        provider_symbol,
        reasons,
        to_json(struct_pack(
            action_type, currency,
            ex_date := ex_date_text, ratio := ratio_text, amount := amount_text
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_corporate_actions__records') }}
    where len(reasons) > 0
),

sessions as (
    select
        provider,
        'sessions' as kind,
        calendar as provider_symbol,
        ['unreadable_time'] as reasons,
        to_json(struct_pack(session_date, open_at, close_at)) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('stg_exchange_calendars__sessions') }}
    where not coalesce(session_date is not null and open_at < close_at, false)
),

rejected as (
    select * from instruments
    union all
    select * from corporate_actions
    union all
    select * from sessions
),

batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        rejected.provider,
        batches.dataset,
        rejected.provider_symbol,
        rejected.reasons,
        cast(rejected.original as varchar) as original,
        batches.file,
        rejected._fetched_at,
        rejected._batch_id,
        rejected._row
    from rejected
    inner join batches on rejected._batch_id = batches.batch_id
)

select * from final
order by _batch_id, _row
