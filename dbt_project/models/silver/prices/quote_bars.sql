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

{{ judged_versions('records') }},

{{ known_versions('judged', quote_bar_values()) }},

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
        {{ version_available_at() }} as available_at,
        _fetched_at,
        _batch_id,
        _row
    from best
)

select * from final
order by bar_start_at, instrument_id, timeframe
