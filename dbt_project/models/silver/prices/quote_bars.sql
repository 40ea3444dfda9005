with records as (
    select * from {{ ref('int_quote_bars__records') }}
    where len(reasons) = 0
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'quote_bars'
),

requests as (
    select * from {{ ref('load_requests') }}
    where confirms_batch_id is not null
),

confirmed as (
    select
        records._batch_id,
        records._row,
        max(requests.fetched_at) as confirmed_at
    from records
    inner join requests
        on
            records._batch_id = requests.confirms_batch_id
            and records._symbol = requests.symbol
            and records.timeframe = requests.timeframe
            and records.bar_start_at >= requests.start_at
            and records.bar_start_at < requests.end_at
    group by all
),

judged as (
    select
        records.*,
        precedence.precedence,
        -- The last time that the vendor said so counts, also where it had said otherwise between.
        coalesce(confirmed.confirmed_at, records._fetched_at) as said_at,
        coalesce(confirmed.confirmed_at, records._fetched_at)
        >= records.bar_end_at + to_seconds(precedence.finality_lag_seconds) as is_final,
        records.bar_end_at + to_seconds(precedence.availability_lag_seconds)
            as regular_available_at
    from records
    left join confirmed
        on
            records._batch_id = confirmed._batch_id
            and records._row = confirmed._row
    left join precedence
        on
            records.provider = precedence.provider
            and records.asset_class = precedence.asset_class
),

ranked as (
    select
        *,
        row_number() over best = 1 as is_best,
        row_number() over told = 1 as is_first
    from judged
    window
        best as (
            partition by instrument_id, timeframe, bar_start_at
            order by
                is_final desc,
                precedence asc,
                said_at desc,
                _fetched_at desc,
                _batch_id desc,
                _row desc
        ),
        told as (
            partition by instrument_id, timeframe, bar_start_at, is_final
            order by _fetched_at asc, _batch_id asc, _row asc
        )
),

final as (
    select
        instrument_id,
        asset_class,
        timeframe,
        bar_start_at,
        bar_end_at,
        session_date,
        bid_open,
        bid_high,
        bid_low,
        bid_close,
        ask_open,
        ask_high,
        ask_low,
        ask_close,
        volume,
        provider,
        is_final,
        case
            when not is_final then _fetched_at
            when is_first then regular_available_at
            else greatest(_fetched_at, regular_available_at)
        end as available_at,
        _fetched_at,
        _batch_id,
        _row
    from ranked
    where is_best
)

select * from final
order by bar_start_at, instrument_id, timeframe
