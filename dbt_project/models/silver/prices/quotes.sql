with records as (
    select * from {{ ref('int_quotes__records') }}
    where len(reasons) = 0
),

-- After a reconnection a quote may be sent again; several may bear one time.
final as (
    select
        provider,
        instrument_id,
        asset_class,
        quoted_at,
        nullif(bid_price, 0) as bid_price,
        bid_size,
        nullif(ask_price, 0) as ask_price,
        ask_size,
        quoted_at as available_at,
        _fetched_at,
        _batch_id,
        _row
    from records
    qualify
        row_number() over (
            partition by
                provider, instrument_id, quoted_at, bid_price, bid_size, ask_price, ask_size
            order by _fetched_at asc, _batch_id asc, _row asc
        ) = 1
)

select * from final
order by quoted_at, provider, instrument_id, _batch_id, _row
