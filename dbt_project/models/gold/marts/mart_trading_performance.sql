{%- set keys = [
    'entity_type', 'entity', 'base_currency', 'periods_per_year', 'is_simulated',
] -%}

with account_days as (
    select
        *,
        lag(equity_base) over (partition by account_id order by date) as previous_equity_base
    from {{ ref('mart_daily_portfolio_summary') }}
),

accounts as (
    select
        account_id,
        base_currency,
        max(periods_per_year) as periods_per_year,
        is_simulated
    from account_days
    group by account_id, base_currency, is_simulated
),

daily_pnl as (
    select * from {{ ref('int_trading__daily_pnl') }}
),

trades_of_days as (
    select * from {{ ref('int_trades__days') }}
),

-- What each entity gained or lost on a day. A signal provider holds no position: its part of a lot
-- counts on the day the lot is closed, and from the day it was opened on it is at work.
daily_results as (
    select
        'strategy' as entity_type,
        strategy as entity,
        account_id,
        date,
        pnl_base
    from daily_pnl
    union all
    select
        'instrument' as entity_type,
        instrument_id as entity,
        account_id,
        date,
        pnl_base
    from daily_pnl
    union all
    select
        entity_type,
        entity,
        account_id,
        date,
        net_pnl_base as pnl_base
    from trades_of_days
    where entity_type = 'signal_provider'
    union all
    select
        entity_type,
        entity,
        account_id,
        first_opened_on as date,
        cast(0 as decimal(38, 12)) as pnl_base
    from trades_of_days
    where entity_type = 'signal_provider'
),

results_of_account_days as (
    select
        entity_type,
        entity,
        account_id,
        date,
        sum(pnl_base) as pnl_base
    from daily_results
    group by entity_type, entity, account_id, date
),

spans as (
    select
        entity_type,
        entity,
        account_id,
        min(date) as first_date,
        max(date) as last_date
    from results_of_account_days
    group by entity_type, entity, account_id
),

-- From its first day to its last in an account, an entity works with all of the account's equity.
days_of_parts as (
    select
        spans.entity_type,
        spans.entity,
        account_days.base_currency,
        account_days.periods_per_year,
        account_days.is_simulated,
        account_days.date,
        coalesce(sum(results.pnl_base), 0) as pnl_base,
        sum(
            {{ capital_at_work(
                'account_days.previous_equity_base', 'account_days.net_deposits_base'
            ) }}
        ) as capital_base
    from spans
    inner join account_days
        on
            spans.account_id = account_days.account_id
            and account_days.date between spans.first_date and spans.last_date
    left join results_of_account_days as results
        on
            spans.entity_type = results.entity_type
            and spans.entity = results.entity
            and spans.account_id = results.account_id
            and account_days.date = results.date
    group by all
),

pnl_of_accounts as (
    select
        account_id,
        date,
        sum(pnl_base) as pnl_base
    from daily_pnl
    group by account_id, date
),

days_of_accounts as (
    select
        'account' as entity_type,
        account_days.account_id as entity,
        account_days.base_currency,
        account_days.periods_per_year,
        account_days.is_simulated,
        account_days.date,
        coalesce(pnl_of_accounts.pnl_base, 0) as pnl_base,
        account_days.daily_return
    from account_days
    left join pnl_of_accounts
        on
            account_days.account_id = pnl_of_accounts.account_id
            and account_days.date = pnl_of_accounts.date
),

days as (
    select
        {{ keys | join(',\n        ') }},
        date,
        pnl_base,
        {{ daily_return('pnl_base', 'capital_base') }} as daily_return
    from days_of_parts
    union all
    select
        {{ keys | join(',\n        ') }},
        date,
        pnl_base,
        daily_return
    from days_of_accounts
),

entities as (
    select
        {{ keys | join(',\n        ') }},
        min(date) as first_date,
        row_number() over (order by {{ keys | join(', ') }}) as entity_no
    from days
    group by {{ keys | join(', ') }}
),

period_types as (
    select unnest(['all', 'year', 'month']) as period_type
),

days_of_periods as (
    select
        entities.entity_no,
        period_types.period_type,
        {{ period_start('period_types.period_type', 'days.date', 'entities.first_date') }}
            as period_start,
        days.date,
        days.pnl_base,
        days.daily_return
    from days
    inner join entities
        on
            days.entity_type = entities.entity_type
            and days.entity = entities.entity
            and days.base_currency = entities.base_currency
            and days.periods_per_year = entities.periods_per_year
            and days.is_simulated = entities.is_simulated
    cross join period_types
),

returns as (
    select
        entity_no,
        period_type,
        period_start,
        date,
        daily_return,
        sum({{ log_of_growth('daily_return') }}) over period_so_far as log_growth
    from days_of_periods
    where daily_return is not null
    window period_so_far as (partition by entity_no, period_type, period_start order by date)
),

-- The last peak so far; NULL where the series has been below its beginning from the first day.
drawdowns as (
    select
        entity_no,
        period_type,
        period_start,
        date,
        {{ drawdown('log_growth', 'period_so_far') }} as drawdown
    from returns
    window period_so_far as (partition by entity_no, period_type, period_start order by date)
),

since_peaks as (
    select
        *,
        max(date) filter (where drawdown >= 0) over period_so_far as peak_date,
        max(date) over (partition by entity_no, period_type, period_start) as last_date
    from drawdowns
    window period_so_far as (partition by entity_no, period_type, period_start order by date)
),

underwater as (
    select
        entity_no,
        period_type,
        period_start,
        min(drawdown) as max_drawdown,
        min(date) as start_date,
        min_by(date, (drawdown, date)) as trough_date,
        max(date) as end_date,
        max(date) < max(last_date) as is_recovered
    from since_peaks
    where drawdown < 0
    group by entity_no, period_type, period_start, peak_date
),

-- The deepest; of several, the first.
max_drawdowns as (
    select *
    from underwater
    qualify
        row_number() over (
            partition by entity_no, period_type, period_start order by max_drawdown, start_date
        ) = 1
),

day_measures as (
    select
        entity_no,
        period_type,
        period_start,
        min(date) as first_date,
        max(date) as last_date,
        count(*) as day_count,
        sum(pnl_base) as pnl_base
    from days_of_periods
    group by entity_no, period_type, period_start
),

return_measures as (
    select
        returns.entity_no,
        returns.period_type,
        returns.period_start,
        count(*) as return_count,
        {{ total_return('daily_return', 'date') }} as total_return,
        {{ volatility_annualized('daily_return', 'any_value(periods_per_year)', 'date') }}
            as volatility_annualized,
        {{ sharpe_annualized('daily_return', 'any_value(periods_per_year)', 'date') }}
            as sharpe_annualized,
        {{ sortino_annualized('daily_return', 'any_value(periods_per_year)', 'date') }}
            as sortino_annualized,
        {{ var_historical('daily_return', 0.05) }} as var_95_historical,
        {{ var_parametric_95('daily_return', 'date') }} as var_95_parametric
    from returns
    inner join entities on returns.entity_no = entities.entity_no
    group by returns.entity_no, returns.period_type, returns.period_start
),

tails as (
    select
        returns.entity_no,
        returns.period_type,
        returns.period_start,
        {{ cvar_historical('daily_return', 'var_95_historical', 'date') }} as cvar_95_historical
    from returns
    inner join return_measures
        on
            returns.entity_no = return_measures.entity_no
            and returns.period_type = return_measures.period_type
            and returns.period_start = return_measures.period_start
    group by returns.entity_no, returns.period_type, returns.period_start
),

trades_of_periods as (
    select
        trades.*,
        entities.entity_no,
        period_types.period_type,
        {{ period_start('period_types.period_type', 'trades.date', 'entities.first_date') }}
            as period_start
    from trades_of_days as trades
    inner join accounts on trades.account_id = accounts.account_id
    inner join entities
        on
            trades.entity_type = entities.entity_type
            and trades.entity = entities.entity
            and accounts.base_currency = entities.base_currency
            and accounts.periods_per_year = entities.periods_per_year
            and accounts.is_simulated = entities.is_simulated
    cross join period_types
),

trade_sums as (
    select
        entity_no,
        period_type,
        period_start,
        cast(sum(trade_count) as bigint) as trade_count,
        cast(sum(winning_trade_count) as bigint) as winning_trade_count,
        cast(sum(losing_trade_count) as bigint) as losing_trade_count,
        sum(net_pnl_base) as net_pnl_base,
        sum(gains_base) as gains_base,
        sum(losses_base) as losses_base,
        sum(fees_base) as fees_base,
        sum(holding_seconds) as holding_seconds
    from trades_of_periods
    group by entity_no, period_type, period_start
),

trade_measures as (
    select
        *,
        {{ win_rate('winning_trade_count', 'trade_count') }} as win_rate,
        {{ profit_factor('gains_base', 'losses_base') }} as profit_factor,
        {{ money_average('net_pnl_base', 'trade_count') }} as expectancy,
        {{ money_average('gains_base', 'winning_trade_count') }} as average_win,
        {{ money_average('losses_base', 'losing_trade_count') }} as average_loss,
        cast(holding_seconds as double) / trade_count as average_holding_seconds
    from trade_sums
),

annualized as (
    select
        return_measures.*,
        {{ annualized_return('total_return', 'return_count', 'periods_per_year') }}
            as annualized_return
    from return_measures
    inner join entities on return_measures.entity_no = entities.entity_no
),

final as (
    select
        entities.entity_type,
        entities.entity,
        entities.base_currency,
        entities.periods_per_year,
        entities.is_simulated,
        day_measures.period_type,
        day_measures.period_start,
        day_measures.first_date,
        day_measures.last_date,
        coalesce(trade_measures.trade_count, 0) as trade_count,
        coalesce(trade_measures.winning_trade_count, 0) as winning_trade_count,
        coalesce(trade_measures.losing_trade_count, 0) as losing_trade_count,
        trade_measures.win_rate,
        trade_measures.profit_factor,
        trade_measures.expectancy,
        trade_measures.average_win,
        trade_measures.average_loss,
        trade_measures.average_holding_seconds,
        cast(coalesce(trade_measures.net_pnl_base, 0) as decimal(38, 12)) as net_pnl_base,
        cast(coalesce(trade_measures.fees_base, 0) as decimal(38, 12)) as fees_base,
        cast(day_measures.pnl_base as decimal(38, 12)) as pnl_base,
        day_measures.day_count,
        coalesce(annualized.return_count, 0) as return_count,
        annualized.total_return,
        annualized.annualized_return,
        annualized.volatility_annualized,
        annualized.sharpe_annualized,
        annualized.sortino_annualized,
        {{ calmar('annualized.annualized_return', 'max_drawdowns.max_drawdown') }} as calmar,
        case when annualized.return_count > 0 then coalesce(max_drawdowns.max_drawdown, 0) end
            as max_drawdown,
        max_drawdowns.start_date as max_drawdown_start_date,
        max_drawdowns.trough_date as max_drawdown_trough_date,
        max_drawdowns.end_date as max_drawdown_end_date,
        max_drawdowns.is_recovered as is_max_drawdown_recovered,
        annualized.var_95_historical,
        tails.cvar_95_historical,
        annualized.var_95_parametric
    from day_measures
    inner join entities on day_measures.entity_no = entities.entity_no
    left join annualized
        on
            day_measures.entity_no = annualized.entity_no
            and day_measures.period_type = annualized.period_type
            and day_measures.period_start = annualized.period_start
    left join tails
        on
            day_measures.entity_no = tails.entity_no
            and day_measures.period_type = tails.period_type
            and day_measures.period_start = tails.period_start
    left join max_drawdowns
        on
            day_measures.entity_no = max_drawdowns.entity_no
            and day_measures.period_type = max_drawdowns.period_type
            and day_measures.period_start = max_drawdowns.period_start
    left join trade_measures
        on
            day_measures.entity_no = trade_measures.entity_no
            and day_measures.period_type = trade_measures.period_type
            and day_measures.period_start = trade_measures.period_start
)

select * from final
order by {{ keys | join(', ') }}, period_type, period_start
