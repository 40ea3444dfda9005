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
),

confirmations as (
    select
        confirms_batch_id,
        symbol,
        timeframe,
        start_at,
        end_at,
        fetched_at as confirmed_at
    from requests
    where confirms_batch_id is not null
),

confirmed as (
    select
        records._batch_id,
        records._row,
        max(confirmations.confirmed_at) as confirmed_at
    from records
    inner join confirmations
        on
            {{ is_confirmed_by('records', 'confirmations') }}
    group by all
),

judged as (
    select
        records.*,
        precedence.precedence,
        -- The last time that the vendor said so counts, also where it had said otherwise between.
        greatest(records._fetched_at, confirmed.confirmed_at) as said_at,
        records.bar_end_at + to_seconds(precedence.finality_lag_seconds) as settles_at,
        said_at >= settles_at as is_final,
        records.bar_end_at + to_seconds(precedence.availability_lag_seconds)
            as regular_available_at,
        {{ quote_bar_values() }} as bar_values
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

-- A version is told by its answer, and again by each that confirms it.
tellings as (
    select
        *,
        _fetched_at as told_at
    from judged
    union all
    select distinct
        judged.*,
        confirmations.confirmed_at as told_at
    from judged
    inner join confirmations
        on
            {{ is_confirmed_by('judged', 'confirmations') }}
            and judged._fetched_at < confirmations.confirmed_at
),

{{ known_since('tellings') }},

best as (
    select *
    from known_versions
    qualify
        row_number() over (
            partition by instrument_id, timeframe, bar_start_at
            order by
                is_final desc,
                precedence asc,
                said_at desc,
                _fetched_at desc,
                _batch_id desc,
                _row desc
        ) = 1
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
            -- What came back was not believed until it was told again.
            when not is_final then greatest(known_at, _fetched_at)
            when is_first then regular_available_at
            else greatest(known_at, regular_available_at)
        end as available_at,
        _fetched_at,
        _batch_id,
        _row
    from best
)

select * from final
order by bar_start_at, instrument_id, timeframe
