with symbol_map as (
    select
        *,
        split_part(instrument_id, ':', 2) as symbol
    from {{ ref('int_instruments__symbol_map') }}
),

-- Texts name pairs without the separator, and coins without their currency: BTCUSD, BTC.
spelled as (
    select
        *,
        provider_symbol as mentioned_as,
        false as is_coin
    from symbol_map
    union
    select
        *,
        replace(symbol, '/', '') as mentioned_as,
        false as is_coin
    from symbol_map
    where contains(symbol, '/')
    union
    select
        *,
        split_part(symbol, '/', 1) as mentioned_as,
        true as is_coin
    from symbol_map
    where asset_class = 'crypto' and ends_with(symbol, '/USD')
),

final as (
    select distinct
        provider,
        asset_class,
        mentioned_as,
        is_coin,
        instrument_id,
        valid_from,
        valid_to
    from spelled
)

select * from final
order by provider, mentioned_as, asset_class, valid_from
