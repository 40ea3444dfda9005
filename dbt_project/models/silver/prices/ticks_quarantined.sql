with quote_bars as (
    select
        provider,
        provider_symbol,
        instrument_id,
        reasons,
        to_json(struct_pack(
            asset_class, timeframe,
            bar_start_at := start_text,
            bid_open := bid_open_text, bid_high := bid_high_text,
            bid_low := bid_low_text, bid_close := bid_close_text,
            ask_open := ask_open_text, ask_high := ask_high_text,
            ask_low := ask_low_text, ask_close := ask_close_text,
            volume := volume_text, extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_quote_bars__records') }}
    where len(reasons) > 0
),

trades as (
    select
        provider,
        provider_symbol,
        instrument_id,
        reasons,
        to_json(struct_pack(
            asset_class, trade_id, kind, original_trade_id,
            traded_at := traded_at_text, price := price_text, size := size_text,
            side, conditions, extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_trades__records') }}
    where len(reasons) > 0
),

quotes as (
    select
        provider,
        provider_symbol,
        instrument_id,
        reasons,
        to_json(struct_pack(
            asset_class,
            quoted_at := quoted_at_text,
            bid_price := bid_price_text, bid_size := bid_size_text,
            ask_price := ask_price_text, ask_size := ask_size_text,
            extra := _extra
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_quotes__records') }}
    where len(reasons) > 0
),

rejected as (
    select * from quote_bars
    union all
    select * from trades
    union all
    select * from quotes
),

batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        rejected.provider,
        batches.dataset,
        rejected.provider_symbol,
        rejected.instrument_id,
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
