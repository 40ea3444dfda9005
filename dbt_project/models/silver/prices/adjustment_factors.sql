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

ratios as (
    select
        instrument_id,
        session_date,
        lag(session_date) over series as previous_session_date,
        (adj_close / close) / lag(adj_close / close) over series as ratio_step
    from bars
    where timeframe = '1d' and is_final and adj_close > 0
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
    where ratios.previous_session_date is not null
    group by all
),

dividends as (
    select
        instrument_id,
        session_date as ex_date,
        case
            when split_step <> 1 and abs(ln(ratio_step / split_step)) < {{ split_match_tolerance }}
                then ratio_step / split_step
            else ratio_step
        end as dividend_step
    from split_ratio_steps
    where abs(dividend_step - 1) > {{ smallest_step }}
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
