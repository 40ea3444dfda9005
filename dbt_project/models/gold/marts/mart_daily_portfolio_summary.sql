with days as (
    select * from {{ ref('int_trading__days') }}
),

daily_pnl as (
    select * from {{ ref('int_trading__daily_pnl') }}
),

executions as (
    select * from {{ ref('executions') }}
),

cash_movements as (
    select * from {{ ref('cash_movements') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

traded as (
    select
        account_id,
        cast(executed_at as date) as date,
        sum(cash_change_base) as trade_cash_base
    from executions
    group by all
),

moved as (
    select
        account_id,
        cast(moved_at as date) as date,
        sum(amount_base) as moved_base,
        sum(case when kind in ('deposit', 'withdrawal', 'opening') then amount_base else 0 end)
            as net_deposits_base,
        sum(case when kind = 'dividend' then amount_base else 0 end) as dividends_base
    from cash_movements
    group by all
),

positions as (
    select
        account_id,
        date,
        count(distinct instrument_id) filter (where position_quantity <> 0) as position_count,
        sum(greatest(market_value_base, 0)) as long_exposure_base,
        sum(least(market_value_base, 0)) as short_exposure_base,
        sum(market_value_base) as net_exposure_base,
        {%- for asset_class in ['equity', 'crypto', 'fx'] %}
        sum(
            case
                when split_part(instrument_id, ':', 1) = '{{ asset_class }}'
                    then market_value_base
                else 0
            end
        ) as exposure_{{ asset_class }}_base,
        {%- endfor %}
        sum(realized_pnl_base) as realized_pnl_base,
        sum(market_value_base - open_amount_base) as unrealized_pnl_base,
        sum(fees_base) as fees_base
    from daily_pnl
    group by all
),

calendars as (
    select
        executions.account_id,
        max(asset_classes.sessions_per_year) as periods_per_year
    from executions
    inner join asset_classes on executions.asset_class = asset_classes.asset_class
    group by executions.account_id
),

summed_up as (
    select
        days.account_id,
        days.date,
        {{ base_currency('accounts.base_currency') }} as base_currency,
        coalesce(accounts.is_simulated, false) as is_simulated,
        sum(coalesce(moved.moved_base, 0) + coalesce(traded.trade_cash_base, 0)) over account
            as cash_base,
        coalesce(moved.net_deposits_base, 0) as net_deposits_base,
        coalesce(moved.moved_base - moved.net_deposits_base, 0) as other_movements_base,
        coalesce(moved.dividends_base, 0) as dividends_base,
        coalesce(positions.position_count, 0) as position_count,
        coalesce(positions.long_exposure_base, 0) as long_exposure_base,
        coalesce(positions.short_exposure_base, 0) as short_exposure_base,
        coalesce(positions.net_exposure_base, 0) as net_exposure_base,
        {%- for asset_class in ['equity', 'crypto', 'fx'] %}
        coalesce(positions.exposure_{{ asset_class }}_base, 0)
            as exposure_{{ asset_class }}_base,
        {%- endfor %}
        coalesce(positions.realized_pnl_base, 0) as realized_pnl_base,
        coalesce(positions.unrealized_pnl_base, 0) as unrealized_pnl_base,
        coalesce(positions.fees_base, 0) as fees_base,
        coalesce(calendars.periods_per_year, 252) as periods_per_year
    from days
    left join moved on days.account_id = moved.account_id and days.date = moved.date
    left join traded on days.account_id = traded.account_id and days.date = traded.date
    left join positions on days.account_id = positions.account_id and days.date = positions.date
    left join accounts on days.account_id = accounts.account_id
    left join calendars on days.account_id = calendars.account_id
    window account as (partition by days.account_id order by days.date)
),

with_equity as (
    select
        *,
        cash_base + net_exposure_base as equity_base,
        lag(cash_base + net_exposure_base) over (partition by account_id order by date)
            as previous_equity_base
    from summed_up
),

with_returns as (
    select
        *,
        {{ daily_return(
            'equity_base - coalesce(previous_equity_base, 0) - net_deposits_base',
            capital_at_work('previous_equity_base', 'net_deposits_base'),
        ) }} as daily_return
    from with_equity
),

-- Compounded as sums of logarithms, in decimals, so that their order does not matter.
compounded as (
    select
        *,
        case
            when bool_or(daily_return <= -1) over account then 0
            else exp(
                    cast(
                        sum(
                            case
                                when daily_return > -1
                                    then cast(ln(1 + daily_return) as decimal(38, 18))
                                else 0
                            end
                        ) over account
                        as double
                    )
                )
        end as growth
    from with_returns
    window account as (partition by account_id order by date)
),

final as (
    select
        account_id,
        date,
        base_currency,
        is_simulated,
        cash_base,
        net_deposits_base,
        other_movements_base,
        dividends_base,
        position_count,
        long_exposure_base,
        short_exposure_base,
        long_exposure_base - short_exposure_base as gross_exposure_base,
        net_exposure_base,
        exposure_equity_base,
        exposure_crypto_base,
        exposure_fx_base,
        realized_pnl_base,
        unrealized_pnl_base,
        fees_base,
        equity_base,
        daily_return,
        growth - 1 as cumulative_return,
        growth / greatest(
            1,
            max(growth) over (partition by account_id order by date)
        ) - 1 as drawdown,
        periods_per_year
    from compounded
)

select * from final
order by date, account_id
