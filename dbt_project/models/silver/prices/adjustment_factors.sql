{#- Half a split ratio of 2 is ln 0.69 away: wide enough for a dividend on the ex-date, no more. -#}
{%- set split_match_tolerance = 0.2 -%}
{#- Vendors round what they adjust; a smaller step than this is rounding, not a dividend. -#}
{%- set smallest_step = 1e-6 -%}

with bars as (
    select * from {{ ref('bars') }}
),

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
),

spans as (
    select
        instrument_id,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date
    from bars
    group by instrument_id
),

-- Splits that fall between two bars take effect on the bar after them; announced ones not yet.
splits as (
    select
        corporate_actions.instrument_id,
        corporate_actions.ex_date,
        product(corporate_actions.split_ratio) as split_step
    from corporate_actions
    inner join spans on corporate_actions.instrument_id = spans.instrument_id
    where
        corporate_actions.action_type = 'split'
        and corporate_actions.ex_date > spans.first_session_date
        and corporate_actions.ex_date <= spans.last_session_date
    group by all
),

closes as (
    select
        instrument_id,
        session_date,
        provider,
        close,
        adj_close
    from bars
    where timeframe = '1d' and is_final
),

-- Cash, and what went with a spin-off, in the shares of the ex-date: prices fall by it.
cash_actions as (
    select
        corporate_actions.instrument_id,
        corporate_actions.ex_date,
        sum(corporate_actions.dividend_amount order by corporate_actions.action_type)
        filter (where corporate_actions.price_factor is null) as amount,
        product(coalesce(corporate_actions.price_factor, 1.0)) as price_factor
    from corporate_actions
    inner join spans on corporate_actions.instrument_id = spans.instrument_id
    where
        corporate_actions.action_type in ('dividend', 'spin_off')
        and corporate_actions.ex_date > spans.first_session_date
        and corporate_actions.ex_date <= spans.last_session_date
    group by all
),

cash_closes as (
    select
        cash_actions.*,
        coalesce(splits.split_step, 1.0) as split_step,
        closes.close as previous_close
    from cash_actions
    left join splits
        on
            cash_actions.instrument_id = splits.instrument_id
            and cash_actions.ex_date = splits.ex_date
    asof left join closes
        on
            cash_actions.instrument_id = closes.instrument_id
            and cash_actions.ex_date > closes.session_date
),

-- Without an earlier daily close, or with one below the amount, there is nothing to compare with.
known_dividends as (
    select
        instrument_id,
        ex_date,
        price_factor * case
            when amount * split_step < previous_close
                then 1 / (1 - amount * split_step / previous_close)
            else 1.0
        end as dividend_step
    from cash_closes
),

-- Where no vendor tells dividends, a provider's own adjusted closes do.
first_known_dividends as (
    select
        instrument_id,
        min(ex_date) as ex_date
    from corporate_actions
    where action_type = 'dividend'
    group by instrument_id
),

ratios as (
    select
        instrument_id,
        session_date,
        lag(session_date) over series as previous_session_date,
        provider = lag(provider) over series as is_of_one_provider,
        (adj_close / close) / lag(adj_close / close) over series as ratio_step
    from closes
    where adj_close > 0
    window series as (partition by instrument_id order by session_date)
),

split_ratio_steps as (
    select
        ratios.instrument_id,
        ratios.session_date,
        ratios.ratio_step,
        coalesce(product(splits.split_step), 1.0) as split_step
    from ratios
    left join splits
        on
            ratios.instrument_id = splits.instrument_id
            and ratios.previous_session_date < splits.ex_date
            and ratios.session_date >= splits.ex_date
    where ratios.is_of_one_provider
    group by all
),

adjusted_close_dividends as (
    select
        split_ratio_steps.instrument_id,
        split_ratio_steps.session_date as ex_date,
        case
            when
                split_ratio_steps.split_step <> 1
                and abs(ln(split_ratio_steps.ratio_step / split_ratio_steps.split_step))
                < {{ split_match_tolerance }}
                then split_ratio_steps.ratio_step / split_ratio_steps.split_step
            else split_ratio_steps.ratio_step
        end as dividend_step
    from split_ratio_steps
    left join first_known_dividends
        on split_ratio_steps.instrument_id = first_known_dividends.instrument_id
    where
        abs(dividend_step - 1) > {{ smallest_step }}
        and split_ratio_steps.session_date
        < coalesce(first_known_dividends.ex_date, date '9999-12-31')
),

dividends as (
    select * from adjusted_close_dividends
    union all
    select known_dividends.*
    from known_dividends
    anti join adjusted_close_dividends
        on
            known_dividends.instrument_id = adjusted_close_dividends.instrument_id
            and known_dividends.ex_date = adjusted_close_dividends.ex_date
    where known_dividends.dividend_step <> 1
),

steps as (
    select
        coalesce(splits.instrument_id, dividends.instrument_id) as instrument_id,
        coalesce(splits.ex_date, dividends.ex_date) as valid_from,
        coalesce(splits.split_step, 1.0) as split_step,
        coalesce(dividends.dividend_step, 1.0) as dividend_step
    from splits
    full outer join dividends
        on
            splits.instrument_id = dividends.instrument_id
            and splits.ex_date = dividends.ex_date
    union all
    select
        instrument_id,
        first_session_date as valid_from,
        1.0 as split_step,
        1.0 as dividend_step
    from spans
),

final as (
    select
        instrument_id,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over series as valid_to,
        split_step,
        dividend_step,
        {{ running_product('split_step', 'series') }} as split_factor,
        {{ running_product('split_step * dividend_step', 'series') }} as total_return_factor,
        cast(valid_from as timestamp) as available_at
    from steps
    window series as (partition by instrument_id order by valid_from)
)

select * from final
order by instrument_id, valid_from
