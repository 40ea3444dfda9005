with recursive records as (
    select * from {{ ref('int_trades__records') }}
    where len(reasons) = 0
),

-- A correction gives a trade another number, and may be corrected itself.
renumbered as (
    select distinct
        provider,
        instrument_id,
        trade_id,
        original_trade_id
    from records
    where kind = 'correction' and original_trade_id <> trade_id
),

ancestors as (
    select
        provider,
        instrument_id,
        trade_id,
        original_trade_id
    from renumbered
    union
    select
        ancestors.provider,
        ancestors.instrument_id,
        ancestors.trade_id,
        renumbered.original_trade_id
    from ancestors
    inner join renumbered
        on
            ancestors.provider = renumbered.provider
            and ancestors.instrument_id = renumbered.instrument_id
            and ancestors.original_trade_id = renumbered.trade_id
),

-- What corrections never made is the first of a line; where they run in a circle, any will do.
first_numbers as (
    select
        ancestors.provider,
        ancestors.instrument_id,
        ancestors.trade_id,
        coalesce(
            min(ancestors.original_trade_id) filter (where renumbered.trade_id is null),
            min(ancestors.original_trade_id)
        ) as first_trade_id
    from ancestors
    left join renumbered
        on
            ancestors.provider = renumbered.provider
            and ancestors.instrument_id = renumbered.instrument_id
            and ancestors.original_trade_id = renumbered.trade_id
    group by all
),

words as (
    select
        records.* exclude (trade_id),
        coalesce(
            first_numbers.first_trade_id,
            case when records.kind = 'correction' then records.original_trade_id end,
            records.trade_id
        ) as trade_id
    from records
    left join first_numbers
        on
            records.provider = first_numbers.provider
            and records.instrument_id = first_numbers.instrument_id
            and records.trade_id = first_numbers.trade_id
),

-- A trade that is sent again after its correction or cancellation takes nothing back.
ranked as (
    select
        *,
        bool_or(kind = 'correction') over trade as is_corrected,
        bool_or(kind = 'cancel') over trade as is_cancelled,
        max(_fetched_at) filter (where kind <> 'trade') over trade as amended_at,
        row_number() over best = 1 as is_best
    from words
    window
        trade as (partition by provider, instrument_id, trade_id),
        best as (
            partition by provider, instrument_id, trade_id
            order by
                kind = 'cancel' asc,
                kind = 'correction' desc,
                _fetched_at desc,
                _batch_id desc,
                _row desc
        )
),

final as (
    select
        provider,
        instrument_id,
        asset_class,
        trade_id,
        traded_at,
        price,
        size,
        side,
        conditions,
        is_corrected,
        is_cancelled,
        coalesce(amended_at, traded_at) as available_at,
        _fetched_at,
        _batch_id,
        _row
    from ranked
    where is_best
)

select * from final
order by traded_at, provider, instrument_id, trade_id
