{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_lots__changed', changed_key='lot_id', names_instruments=true
) }}

with lots as (
    select lots.* from {{ ref('trade_lifecycle') }} as lots
    {{ changed_only('lots', 'int_lots__changed', 'lot_id') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

instruments as (
    select
        *,
        row_number() over (partition by instrument_id order by valid_from) = 1 as is_first
    from {{ ref('dim_instruments') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

sessions as (
    select
        dim_sessions.*,
        asset_classes.asset_class
    from {{ ref('dim_sessions') }} as dim_sessions
    inner join asset_classes on dim_sessions.calendar = asset_classes.calendar
),

moments as (
    select
        lot_id,
        asset_class,
        'opening' as side,
        opened_at as traded_at
    from lots
    union all
    select
        lot_id,
        asset_class,
        'closing' as side,
        closed_at as traded_at
    from lots
    where closed_at is not null
),

dated as (
    select
        moments.*,
        cast({{ local_timestamp('moments.traded_at', 'asset_classes.time_zone') }} as date)
            as local_date
    from moments
    inner join asset_classes on moments.asset_class = asset_classes.asset_class
),

-- The session that was held then, also one that goes over midnight (FX from 17:00 New York); out of
-- hours, that of the date.
sessions_of_lots as (
    select
        dated.lot_id,
        dated.side,
        case
            when dated.traded_at < held.close_at then held.session_key
            else of_date.session_key
        end as session_key
    from dated
    asof left join sessions as held
        on
            dated.asset_class = held.asset_class
            and dated.traded_at >= held.open_at
    left join sessions as of_date
        on
            dated.asset_class = of_date.asset_class
            and dated.local_date = of_date.session_date
),

final as (
    select
        lots.lot_id,
        instruments.instrument_key,
        opening.session_key as opening_session_key,
        closing.session_key as closing_session_key,
        coalesce(accounts.is_simulated, false) as is_simulated,
        lots.account_id,
        lots.strategy,
        lots.instrument_id,
        lots.asset_class,
        lots.symbol,
        lots.direction,
        lots.status,
        lots.quantity,
        lots.entry_price,
        lots.exit_price,
        lots.opened_at,
        lots.closed_at,
        lots.opening_execution_id,
        lots.closing_execution_id,
        lots.opening_decision_id,
        lots.closing_decision_id,
        lots.base_currency,
        lots.entry_amount_base,
        lots.exit_amount_base,
        lots.gross_pnl_base,
        lots.fees_base,
        lots.dividends_base,
        lots.net_pnl_base,
        lots.return_on_entry,
        lots.holding_seconds,
        lots.max_favorable_excursion,
        lots.max_adverse_excursion,
        lots.mark_price,
        lots.marked_at,
        lots.available_at
    from lots
    left join accounts on lots.account_id = accounts.account_id
    left join instruments
        on
            lots.instrument_id = instruments.instrument_id
            and lots.opened_at < instruments.valid_to
            and (lots.opened_at >= instruments.valid_from or instruments.is_first)
    left join sessions_of_lots as opening
        on
            lots.lot_id = opening.lot_id
            and opening.side = 'opening'
    left join sessions_of_lots as closing
        on
            lots.lot_id = closing.lot_id
            and closing.side = 'closing'
)

select * from final
order by opened_at, account_id, instrument_id, opening_execution_id, closing_execution_id
