with lot_days as (
    select * from {{ ref('int_lots__days') }}
),

executions as (
    select * from {{ ref('executions') }}
),

closes as (
    select * from {{ ref('int_trading__closes') }}
),

days as (
    select * from {{ ref('int_trading__days') }}
),

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

daily_rates as (
    select * from {{ ref('int_currencies__daily_rates') }}
),

events as (
    select
        account_id,
        strategy,
        instrument_id,
        date,
        units,
        open_amount_base,
        trade_cash_base,
        fees_base,
        cast(0 as decimal(38, 12)) as dividends_base,
        realized_pnl_base
    from lot_days
    union all
    select
        account_id,
        coalesce(strategy, '(none)') as strategy,
        instrument_id,
        ex_date as date,
        cast(0 as decimal(38, 18)) as units,
        cast(0 as decimal(38, 12)) as open_amount_base,
        cast(0 as decimal(38, 12)) as trade_cash_base,
        cast(0 as decimal(38, 12)) as fees_base,
        dividend_base as dividends_base,
        cast(0 as decimal(38, 12)) as realized_pnl_base
    from {{ ref('int_lots__dividends') }}
),

event_days as (
    select
        account_id,
        strategy,
        instrument_id,
        date,
        sum(units) as units,
        sum(open_amount_base) as open_amount_base,
        sum(trade_cash_base) as trade_cash_base,
        sum(fees_base) as fees_base,
        sum(dividends_base) as dividends_base,
        sum(realized_pnl_base) as realized_pnl_base
    from events
    group by all
),

last_days as (
    select
        account_id,
        max(date) as last_date
    from days
    group by account_id
),

-- What is held from the day of an event to the day before the next.
stretches as (
    select
        event_days.account_id,
        event_days.strategy,
        event_days.instrument_id,
        event_days.date,
        coalesce(
            lead(event_days.date) over position - 1,
            greatest(event_days.date, last_days.last_date)
        ) as until_date,
        sum(event_days.units) over position as units,
        sum(event_days.open_amount_base) over position as open_amount_base,
        event_days.trade_cash_base,
        event_days.fees_base,
        event_days.dividends_base,
        event_days.realized_pnl_base
    from event_days
    inner join last_days on event_days.account_id = last_days.account_id
    window position as (
        partition by event_days.account_id, event_days.strategy, event_days.instrument_id
        order by event_days.date
    )
),

later_days as (
    select
        * exclude (date, until_date) replace (
            cast(0 as decimal(38, 12)) as trade_cash_base,
            cast(0 as decimal(38, 12)) as fees_base,
            cast(0 as decimal(38, 12)) as dividends_base,
            cast(0 as decimal(38, 12)) as realized_pnl_base
        ),
        unnest(range(date + 1, until_date + 1, interval 1 day)) as moment
    from stretches
    where units <> 0 and until_date > date
),

later_dates as (
    select
        * exclude (moment),
        cast(moment as date) as date
    from later_days
),

positions as (
    select * exclude (until_date) from stretches
    union all by name
    select later_dates.*
    from later_dates
    semi join days
        on
            later_dates.account_id = days.account_id
            and later_dates.date = days.date
),

close_days as (
    select
        instrument_id,
        session_date,
        {{ exact_number('close') }} as price,
        unnest(
            range(
                date,
                least(valid_to, (select max(last_days.last_date) + 1 from last_days)),
                interval 1 day
            )
        ) as moment
    from closes
),

close_marks as (
    select
        close_days.instrument_id,
        cast(close_days.moment as date) as date,
        close_days.price,
        coalesce(share_units.units_per_share, 1) as units_per_share
    from close_days
    left join share_units
        on
            close_days.instrument_id = share_units.instrument_id
            and close_days.session_date >= share_units.valid_from
            and close_days.session_date < share_units.valid_to
),

first_closes as (
    select
        instrument_id,
        min(date) as date
    from closes
    group by instrument_id
),

-- Until there is a close, what was last paid is what a position is worth.
own_prices as (
    select
        executions.account_id,
        executions.instrument_id,
        cast(executions.executed_at as date) as date,
        executions.price,
        coalesce(share_units.units_per_share, 1) as units_per_share
    from executions
    left join first_closes on executions.instrument_id = first_closes.instrument_id
    left join share_units
        on
            executions.instrument_id = share_units.instrument_id
            and executions.executed_at >= share_units.effective_at
            and executions.executed_at < share_units.effective_until
    where cast(executions.executed_at as date) < coalesce(first_closes.date, date '9999-12-31')
    qualify
        row_number() over (
            partition by
                executions.account_id,
                executions.instrument_id,
                cast(executions.executed_at as date)
            order by executions.executed_at desc, executions.execution_id desc
        ) = 1
),

marked as (
    select
        positions.*,
        close_marks.price as mark_price,
        close_marks.units_per_share as mark_units_per_share
    from positions
    inner join close_marks
        on
            positions.instrument_id = close_marks.instrument_id
            and positions.date = close_marks.date
    union all
    select
        unmarked.*,
        own_prices.price as mark_price,
        own_prices.units_per_share as mark_units_per_share
    from (
        select positions.*
        from positions
        left join first_closes on positions.instrument_id = first_closes.instrument_id
        where positions.date < coalesce(first_closes.date, date '9999-12-31')
    ) as unmarked
    asof left join own_prices
        on
            unmarked.account_id = own_prices.account_id
            and unmarked.instrument_id = own_prices.instrument_id
            and unmarked.date >= own_prices.date
),

-- An account's positions in an instrument are in the currency it last traded it in.
currencies as (
    select
        account_id,
        instrument_id,
        max_by(quote_currency, (executed_at, execution_id)) as quote_currency,
        any_value(base_currency) as base_currency
    from executions
    group by all
),

measured as (
    select
        marked.*,
        {{ exact_quotient('marked.units', 'marked.mark_units_per_share') }} as mark_quantity,
        {{ exact_quotient('marked.units', 'coalesce(share_units.units_per_share, 1)') }}
            as position_quantity,
        case
            when currencies.quote_currency = currencies.base_currency then 1
            else daily_rates.rate
        end as rate
    from marked
    inner join currencies
        on
            marked.account_id = currencies.account_id
            and marked.instrument_id = currencies.instrument_id
    left join share_units
        on
            marked.instrument_id = share_units.instrument_id
            and marked.date >= share_units.valid_from
            and marked.date < share_units.valid_to
    left join daily_rates
        on
            currencies.quote_currency = daily_rates.from_currency
            and currencies.base_currency = daily_rates.to_currency
            and marked.date = daily_rates.date
),

valued as (
    select
        *,
        case
            when units = 0 then 0
            else {{ marked_amount('mark_quantity', 'mark_price', 'rate') }}
        end as market_value_base
    from measured
),

final as (
    select
        account_id,
        strategy,
        instrument_id,
        date,
        position_quantity,
        market_value_base,
        open_amount_base,
        trade_cash_base,
        fees_base,
        dividends_base,
        realized_pnl_base,
        market_value_base
        - lag(market_value_base, 1, 0)
            over (
                partition by account_id, strategy, instrument_id
                order by date
            )
        + trade_cash_base - fees_base + dividends_base as pnl_base
    from valued
)

select * from final
order by date, account_id, strategy, instrument_id
