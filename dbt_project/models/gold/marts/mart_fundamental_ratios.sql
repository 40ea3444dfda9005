with daily_bars as (
    select * from {{ ref('fct_daily_bars') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

observations as (
    select * from {{ ref('int_features__observations') }}
    where timeframe = '1d'
),

-- What was known of bars that were told differently over time, and when.
known_bars as (
    select * from {{ ref('int_bars__known') }}
    where timeframe = '1d'
),

figures as (
    select * from {{ ref('int_fundamentals__trailing') }}
),

-- The close as it was known just after the session, as in ml_features: a later correction is not.
closes as (
    select
        daily_bars.instrument_key,
        daily_bars.instrument_id,
        daily_bars.session_date,
        coalesce(known_bars.close, daily_bars.close) as close,
        daily_bars.split_factor,
        daily_bars.bar_end_at,
        observations.observed_at,
        greatest(
            observations.observed_at, coalesce(known_bars.known_from, daily_bars.available_at)
        ) as available_at
    from daily_bars
    inner join observations
        on
            daily_bars.instrument_id = observations.instrument_id
            and daily_bars.session_date = observations.session_date
    left join known_bars
        on
            daily_bars.instrument_id = known_bars.instrument_id
            and daily_bars.session_date = known_bars.session_date
            and observations.observed_at >= known_bars.known_from
            and observations.observed_at < known_bars.known_to
),

known as (
    select
        closes.instrument_key,
        closes.session_date,
        closes.close,
        closes.split_factor,
        closes.bar_end_at,
        closes.available_at,
        figures.*
    from closes
    asof inner join figures
        on
            closes.instrument_id = figures.instrument_id
            and closes.observed_at >= figures.valid_from
    where closes.observed_at < figures.valid_to
),

-- A price in one currency by figures in another is no ratio.
priced as (
    select
        known.*,
        instruments.currency as price_currency,
        coalesce(instruments.currency = known.currency, true) as is_one_currency,
        known.close * known.split_factor * known.shares_outstanding_forward as value_of_shares,
        known.eps_diluted_ttm_forward / known.split_factor as eps_diluted_ttm,
        known.income_period_end_date = known.cash_flow_period_end_date as is_one_year
    from known
    inner join instruments on known.instrument_key = instruments.instrument_key
),

valued as (
    select
        *,
        case when value_of_shares > 0 and isfinite(value_of_shares) then value_of_shares end
            as market_cap,
        case when is_one_currency then market_cap end as comparable_market_cap,
        case when is_one_currency then close end as comparable_price,
        comparable_market_cap + total_debt - cash as enterprise_value,
        case when is_one_year then operating_income_ttm + depreciation_and_amortization_ttm end
            as ebitda_ttm
    from priced
),

final as (
    select
        instrument_key,
        instrument_id,
        session_date,
        close as price,
        price_currency,
        provider as fundamentals_provider,
        currency as reporting_currency,
        market_cap,
        eps_diluted_ttm,
        {{ ratio_of_positive('comparable_price', 'eps_diluted_ttm') }} as pe_ttm,
        {{ ratio_of_positive('comparable_market_cap', 'total_equity') }} as pb,
        {{ ratio_of_positive('comparable_market_cap', 'revenue_ttm') }} as ps_ttm,
        case
            when enterprise_value > 0
                then {{ ratio_of_positive('enterprise_value', 'ebitda_ttm') }}
        end as ev_ebitda,
        {{ ratio_of_positive('gross_profit_ttm', 'revenue_ttm') }} as gross_margin,
        {{ ratio_of_positive('operating_income_ttm', 'revenue_ttm') }} as operating_margin,
        {{ ratio_of_positive('net_income_ttm', 'revenue_ttm') }} as net_margin,
        {{ ratio_of_positive('net_income_ttm', 'total_equity') }} as roe,
        {{ ratio_of_positive('net_income_ttm', 'total_assets') }} as roa,
        {{ ratio_of_positive('total_debt', 'total_equity') }} as debt_to_equity,
        {{ ratio_of_positive('current_assets', 'current_liabilities') }} as current_ratio,
        {{ ratio_of_positive('free_cash_flow_ttm', 'comparable_market_cap') }} as fcf_yield,
        {{ ratio_of_positive('net_income_ttm', 'comparable_market_cap') }} as earnings_yield,
        income_period_end_date,
        cash_flow_period_end_date,
        balance_date,
        shares_outstanding_date,
        shares_basis,
        valid_from as facts_known_from,
        bar_end_at,
        available_at
    from valued
)

select * from final
order by session_date, instrument_id
