{{ config(schema='staging', tags=['trading_family']) }}

{#- What the last build left is named, not referenced: it is built after this. -#}
{% if not execute or family_goes_on('trading') %}
with lots as (
    select
        lot_id,
        account_id,
        instrument_id,
        opened_at,
        closed_at
    from {{ ref('int_lots__matched') }}
),

lots_before as (
    select
        lot_id,
        account_id,
        instrument_id,
        opened_at,
        closed_at,
        dividends_base
    from silver.trade_lifecycle
),

restarts as (
    select * from {{ ref('int_positions__restarts') }}
),

changed_bars as (
    select * from {{ ref('int_trading__changed_bars') }}
),

dividends as (
    select
        lot_id,
        sum(dividend_base) as dividends_base
    from {{ ref('int_lots__dividends') }}
    group by lot_id
),

lots_now_and_then as (
    select * from lots
    union all
    select * exclude (dividends_base) from lots_before
),

changed as (
    -- Open lots are marked anew.
    select lot_id from lots_now_and_then as lots
    where closed_at is null
    union
    select lots.lot_id
    from lots_now_and_then as lots
    inner join restarts
        on
            lots.account_id = restarts.account_id
            and lots.instrument_id = restarts.instrument_id
            and lots.closed_at >= restarts.restart_at
    union
    select lots.lot_id
    from lots
    inner join changed_bars
        on
            lots.instrument_id = changed_bars.instrument_id
            and lots.opened_at < changed_bars.changed_until
            and lots.closed_at > changed_bars.changed_from
    union
    select coalesce(lots_before.lot_id, dividends.lot_id) as lot_id
    from (
        select * from lots_before
        where dividends_base <> 0
    ) as lots_before
    full join dividends on lots_before.lot_id = dividends.lot_id
    where coalesce(lots_before.dividends_base, 0) <> coalesce(dividends.dividends_base, 0)
),
{% else %}
with changed as (
    select {{ typed_nulls() }}
    where false
),
{% endif %}

final as (
    select lot_id from changed
)

select * from final
