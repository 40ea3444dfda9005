-- A failing row is a position in the account's own currency that is not worth, to the cent, what it
-- comes to at the close of the day, where there is a daily bar.
{{ config(meta={'dagster': {'ref': {'name': 'int_trading__daily_pnl'}}}) }}

with positions as (
    select * from {{ ref('int_trading__daily_pnl') }}
    where position_quantity <> 0
),

foreign_positions as (
    select distinct
        account_id,
        instrument_id
    from {{ ref('executions') }}
    where quote_currency <> base_currency
),

bars as (
    select * from {{ ref('bars') }}
    where timeframe = '1d' and is_final
),

valued as (
    select
        positions.account_id,
        positions.instrument_id,
        positions.date,
        positions.market_value_base,
        cast(positions.position_quantity as double) * bars.close as value
    from positions
    anti join foreign_positions
        on
            positions.account_id = foreign_positions.account_id
            and positions.instrument_id = foreign_positions.instrument_id
    inner join bars
        on
            positions.instrument_id = bars.instrument_id
            and positions.date = bars.session_date
)

-- A double holds 16 digits.
select *
from valued
where abs(cast(market_value_base as double) - value) > 0.005 + 1e-12 * abs(value)
