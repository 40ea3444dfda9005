with lots as (
    select * from {{ ref('trade_lifecycle') }}
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

-- Sessions are named by the date where they are held.
dated as (
    select
        lots.*,
        cast({{ local_timestamp('lots.opened_at', 'asset_classes.time_zone') }} as date)
            as opened_date,
        cast({{ local_timestamp('lots.closed_at', 'asset_classes.time_zone') }} as date)
            as closed_date
    from lots
    inner join asset_classes on lots.asset_class = asset_classes.asset_class
),

final as (
    select
        dated.lot_id,
        instruments.instrument_key,
        opening.session_key as opening_session_key,
        closing.session_key as closing_session_key,
        coalesce(accounts.is_simulated, false) as is_simulated,
        dated.account_id,
        dated.strategy,
        dated.instrument_id,
        dated.asset_class,
        dated.symbol,
        dated.direction,
        dated.status,
        dated.quantity,
        dated.entry_price,
        dated.exit_price,
        dated.opened_at,
        dated.closed_at,
        dated.opening_execution_id,
        dated.closing_execution_id,
        dated.opening_decision_id,
        dated.closing_decision_id,
        dated.base_currency,
        dated.entry_amount_base,
        dated.exit_amount_base,
        dated.gross_pnl_base,
        dated.fees_base,
        dated.dividends_base,
        dated.net_pnl_base,
        dated.return_on_entry,
        dated.holding_seconds,
        dated.max_favorable_excursion,
        dated.max_adverse_excursion,
        dated.mark_price,
        dated.marked_at,
        dated.available_at
    from dated
    left join accounts on dated.account_id = accounts.account_id
    left join instruments
        on
            dated.instrument_id = instruments.instrument_id
            and dated.opened_at < instruments.valid_to
            and (dated.opened_at >= instruments.valid_from or instruments.is_first)
    left join sessions as opening
        on
            dated.asset_class = opening.asset_class
            and dated.opened_date = opening.session_date
    left join sessions as closing
        on
            dated.asset_class = closing.asset_class
            and dated.closed_date = closing.session_date
)

select * from final
order by opened_at, account_id, instrument_id, opening_execution_id, closing_execution_id
