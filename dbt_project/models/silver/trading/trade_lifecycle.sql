{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_lots__changed', changed_key='lot_id'
) }}

with lots as (
    select lots.* from {{ ref('int_lots__matched') }} as lots
    {{ changed_only('lots', 'int_lots__changed', 'lot_id') }}
),

excursions as (
    select * from {{ ref('int_lots__excursions') }}
),

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

daily_rates as (
    select * from {{ ref('int_currencies__daily_rates') }}
),

executions as (
    select * from {{ ref('executions') }}
),

dividends as (
    select
        lot_id,
        sum(dividend_base) as dividends_base
    from {{ ref('int_lots__dividends') }}
    group by lot_id
),

last_closes as (
    select *
    from {{ ref('int_trading__closes') }}
    where valid_to = date '9999-12-31'
),

open_positions as (
    select distinct
        account_id,
        instrument_id
    from lots
    where closing_execution_id is null
),

-- Until there is a close, what was last paid is what a position is worth.
last_executions as (
    select
        executions.account_id,
        executions.instrument_id,
        executions.price,
        executions.executed_at
    from executions
    semi join open_positions
        on
            executions.account_id = open_positions.account_id
            and executions.instrument_id = open_positions.instrument_id
    anti join last_closes on executions.instrument_id = last_closes.instrument_id
    qualify
        row_number() over (
            partition by executions.account_id, executions.instrument_id
            order by executions.executed_at desc, executions.execution_id desc
        ) = 1
),

marks as (
    select
        open_positions.account_id,
        open_positions.instrument_id,
        last_closes.close as mark_price,
        {{ exact_number('last_closes.close') }} as price,
        last_closes.bar_end_at as marked_at,
        last_closes.available_at,
        last_closes.date,
        coalesce(share_units.units_per_share, 1) as units_per_share
    from open_positions
    inner join last_closes on open_positions.instrument_id = last_closes.instrument_id
    left join share_units
        on
            last_closes.instrument_id = share_units.instrument_id
            and last_closes.session_date >= share_units.valid_from
            and last_closes.session_date < share_units.valid_to
    union all
    select
        last_executions.account_id,
        last_executions.instrument_id,
        cast(last_executions.price as double) as mark_price,
        last_executions.price,
        last_executions.executed_at as marked_at,
        last_executions.executed_at as available_at,
        cast(last_executions.executed_at as date) as date,
        coalesce(share_units.units_per_share, 1) as units_per_share
    from last_executions
    left join share_units
        on
            last_executions.instrument_id = share_units.instrument_id
            and last_executions.executed_at >= share_units.effective_at
            and last_executions.executed_at < share_units.effective_until
),

open_lots as (
    select
        lots.*,
        marks.mark_price,
        marks.marked_at,
        marks.available_at as mark_available_at,
        {{ exact_quotient('lots.units', 'marks.units_per_share') }} as mark_quantity,
        marks.price,
        case when lots.quote_currency = lots.base_currency then 1 else daily_rates.rate end
            as rate
    from lots
    inner join marks
        on
            lots.account_id = marks.account_id
            and lots.instrument_id = marks.instrument_id
    asof left join daily_rates
        on
            lots.quote_currency = daily_rates.from_currency
            and lots.base_currency = daily_rates.to_currency
            and greatest(marks.date, cast(lots.opened_at as date)) >= daily_rates.date
    where lots.closing_execution_id is null
),

with_ends as (
    select
        lots.*,
        lots.closed_at as ended_at,
        cast(null as double) as mark_price,
        cast(null as timestamp) as marked_at,
        lots.closed_at as available_at
    from lots
    where lots.closing_execution_id is not null
    union all by name
    select
        open_lots.* exclude (exit_amount_base, mark_quantity, price, rate, mark_available_at),
        {{ marked_amount('mark_quantity', 'price', 'rate') }} as exit_amount_base,
        greatest(opened_at, marked_at) as ended_at,
        greatest(opened_at, mark_available_at) as available_at
    from open_lots
),

with_excursions as (
    select
        with_ends.*,
        coalesce(dividends.dividends_base, 0) as dividends_base,
        excursions.highest,
        excursions.lowest
    from with_ends
    left join dividends on with_ends.lot_id = dividends.lot_id
    left join excursions on with_ends.lot_id = excursions.lot_id
),

summed_up as (
    select
        *,
        case direction
            when 'long' then exit_amount_base - entry_amount_base
            else entry_amount_base - exit_amount_base
        end as gross_pnl_base,
        entry_fee_base + exit_fee_base as fees_base,
        -- Prices per unit that no split changes, as fractions of the entry price.
        highest * units_per_share / cast(entry_price as double) - 1 as rise,
        lowest * units_per_share / cast(entry_price as double) - 1 as fall
    from with_excursions
),

final as (
    select
        lot_id,
        account_id,
        strategy,
        instrument_id,
        asset_class,
        symbol,
        direction,
        case when closing_execution_id is null then 'open' else 'closed' end as status,
        {{ exact_quotient('units', 'units_per_share') }} as quantity,
        entry_price,
        exit_price,
        opened_at,
        closed_at,
        opening_execution_id,
        closing_execution_id,
        opening_decision_id,
        closing_decision_id,
        base_currency,
        entry_amount_base,
        exit_amount_base,
        gross_pnl_base,
        fees_base,
        dividends_base,
        gross_pnl_base - fees_base + dividends_base as net_pnl_base,
        cast(gross_pnl_base - fees_base + dividends_base as double)
        / nullif(cast(entry_amount_base as double), 0) as return_on_entry,
        date_diff('microsecond', opened_at, ended_at) // 1000000 as holding_seconds,
        greatest(0, case direction when 'long' then rise else -fall end)
            as max_favorable_excursion,
        least(0, case direction when 'long' then fall else -rise end) as max_adverse_excursion,
        mark_price,
        marked_at,
        available_at
    from summed_up
)

select * from final
order by opened_at, account_id, instrument_id, opening_execution_id, closing_execution_id
