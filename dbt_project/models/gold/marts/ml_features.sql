{%- set horizons = [1, 5, 10, 21, 63, 126, 252] -%}
{%- set total_return_horizons = [21, 63, 126, 252] -%}
{%- set timeframes = ['1m', '5m', '15m', '1h', '4h', '1d'] -%}
{%- set sentiment_days = [1, 5] -%}
{%- set ratios = [
    ('earnings_yield', 'net_income_ttm', 'market_value'),
    ('sales_to_price', 'revenue_ttm', 'market_value'),
    ('book_to_price', 'total_equity', 'market_value'),
    ('free_cash_flow_yield', 'free_cash_flow_ttm', 'market_value'),
    ('gross_margin', 'gross_profit_ttm', 'revenue_ttm'),
    ('operating_margin', 'operating_income_ttm', 'revenue_ttm'),
    ('net_margin', 'net_income_ttm', 'revenue_ttm'),
    ('return_on_equity', 'net_income_ttm', 'total_equity'),
    ('liabilities_to_assets', 'total_liabilities', 'total_assets'),
] -%}
{%- set volatility_window = var('regime_volatility_window') -%}

with observations as (
    select * from {{ ref('int_features__observations') }}
),

-- Wide, and read twice: not to be held in memory with all of its columns.
observed as not materialized (
    select * from {{ ref('int_signals__observed') }}
),

daily_bars as (
    select * from {{ ref('fct_daily_bars') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

-- What was known of bars that were told differently over time, and when.
known_bars as (
    select * from {{ ref('int_bars__known') }}
    where timeframe = '1d'
),

factors as (
    select * from {{ ref('adjustment_factors') }}
),

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

calendar_sessions as (
    select * from {{ ref('int_calendar__sessions') }}
),

sentiment_scores as (
    select * from {{ ref('sentiment_scores') }}
    where instrument_id is not null
),

fundamentals as (
    select * from {{ ref('fundamentals') }}
),

known_figures as (
    select * from {{ ref('int_fundamentals__trailing') }}
),

sessions as (
    select
        observations.instrument_id,
        observations.asset_class,
        observations.session_date,
        observations.observed_at,
        daily_bars.close * daily_bars.split_factor as close,
        daily_bars.split_factor,
        instruments.currency,
        row_number() over (
            partition by observations.instrument_id order by observations.session_date
        ) as session_no
    from observations
    inner join daily_bars
        on
            observations.instrument_id = daily_bars.instrument_id
            and observations.session_date = daily_bars.session_date
    inner join instruments on daily_bars.instrument_key = instruments.instrument_key
    where observations.timeframe = '1d'
),

-- -- momentum: closes of this session and earlier ones, as they were known at its end -------------

restated_closes as (
    select
        sessions.instrument_id,
        sessions.session_no,
        known_bars.close * sessions.split_factor as close,
        known_bars.known_from,
        known_bars.known_to,
        unnest([0, {{ horizons | join(', ') }}]) as horizon
    from known_bars
    inner join sessions
        on
            known_bars.instrument_id = sessions.instrument_id
            and known_bars.session_date = sessions.session_date
),

then_known_closes as (
    select
        {% for horizon in [0] + horizons %}
        max(restated_closes.close) filter (where restated_closes.horizon = {{ horizon }})
            as close_{{ horizon }},
        {% endfor %}
        sessions.instrument_id,
        sessions.session_no
    from restated_closes
    inner join sessions
        on
            restated_closes.instrument_id = sessions.instrument_id
            and restated_closes.session_no + restated_closes.horizon = sessions.session_no
    where
        restated_closes.known_from <= sessions.observed_at
        and restated_closes.known_to > sessions.observed_at
    group by sessions.instrument_id, sessions.session_no
),

-- Cash per share, in the shares of the first session; of the first session from its ex-date on: an
-- action is available then, for it was announced before, whenever a vendor told it.
cash as (
    select
        corporate_actions.instrument_id,
        corporate_actions.ex_date,
        sum({{ exact('corporate_actions.dividend_amount * factors.split_factor') }}) as cash
    from corporate_actions
    inner join factors
        on
            corporate_actions.instrument_id = factors.instrument_id
            and corporate_actions.ex_date >= factors.valid_from
            and corporate_actions.ex_date < factors.valid_to
    where
        corporate_actions.action_type in ('dividend', 'spin_off')
        and corporate_actions.price_factor is null
    group by corporate_actions.instrument_id, corporate_actions.ex_date
),

cash_of_sessions as (
    select
        sessions.instrument_id,
        sessions.session_no,
        sum(cash.cash) as cash
    from cash
    asof inner join sessions
        on
            cash.instrument_id = sessions.instrument_id
            and cash.ex_date <= sessions.session_date
    group by sessions.instrument_id, sessions.session_no
),

with_cash as (
    select
        sessions.*,
        sum(coalesce(cash_of_sessions.cash, 0)) over (
            partition by sessions.instrument_id order by sessions.session_no
            rows between unbounded preceding and current row
        ) as cash_so_far
    from sessions
    left join cash_of_sessions
        on
            sessions.instrument_id = cash_of_sessions.instrument_id
            and sessions.session_no = cash_of_sessions.session_no
),

lagged as (
    select
        {% for horizon in horizons %}
        lag(close, {{ horizon }}) over series as close_{{ horizon }},
        {% endfor %}
        {% for horizon in total_return_horizons %}
        cast(cash_so_far - lag(cash_so_far, {{ horizon }}) over series as double)
            as cash_{{ horizon }},
        {% endfor %}
        *
    from with_cash
    window series as (partition by instrument_id order by session_no)
),

closes as (
    select
        {% for horizon in horizons %}
        coalesce(then_known_closes.close_{{ horizon }}, lagged.close_{{ horizon }})
            as close_{{ horizon }},
        {% endfor %}
        {% for horizon in total_return_horizons %}
        lagged.cash_{{ horizon }},
        {% endfor %}
        lagged.instrument_id,
        lagged.asset_class,
        lagged.session_date,
        lagged.observed_at,
        lagged.session_no,
        lagged.currency,
        coalesce(then_known_closes.close_0, lagged.close) as close
    from lagged
    left join then_known_closes
        on
            lagged.instrument_id = then_known_closes.instrument_id
            and lagged.session_no = then_known_closes.session_no
),

-- -- indicators: of the session's own bar, as they were known at its end --------------------------

daily_signals as (
    select
        sessions.session_no,
        observed.*
    from sessions
    inner join observed
        on
            sessions.instrument_id = observed.instrument_id
            and sessions.observed_at = observed.observed_at
            and sessions.session_date = observed.session_date
    where observed.timeframe = '1d'
),

-- What earlier sessions are compared with is what their own rows said.
compared_signals as (
    select
        *,
        count(realized_volatility_20) over usual_volatility as volatility_count,
        median(realized_volatility_20) over usual_volatility as usual_volatility,
        count(volume) over usual_volume as volume_count,
        cast(sum({{ exact('volume / split_factor') }}) over usual_volume as double) / 20
            as usual_volume
    from daily_signals
    window
        usual_volatility as (
            partition by instrument_id order by session_no
            rows between {{ volatility_window - 1 }} preceding and current row
        ),
        usual_volume as (
            partition by instrument_id order by session_no
            rows between 19 preceding and current row
        )
),

-- -- confluence: the last bar of each timeframe; one of a session before the last is no news ------

calendar_days as (
    select
        asset_classes.asset_class,
        calendar_sessions.session_date,
        lag(calendar_sessions.session_date, 1, calendar_sessions.session_date) over (
            partition by asset_classes.asset_class order by calendar_sessions.session_date
        ) as previous_session_date
    from calendar_sessions
    inner join asset_classes on calendar_sessions.calendar = asset_classes.calendar
),

directions as (
    select
        sessions.instrument_id,
        sessions.session_no,
        observed.timeframe,
        observed.direction
    from sessions
    inner join calendar_days
        on
            sessions.asset_class = calendar_days.asset_class
            and sessions.session_date = calendar_days.session_date
    inner join observed
        on
            sessions.instrument_id = observed.instrument_id
            and sessions.observed_at = observed.observed_at
            and calendar_days.previous_session_date <= observed.session_date
),

confluence as (
    select
        instrument_id,
        session_no,
        {% for timeframe in timeframes %}
        max(direction) filter (where timeframe = '{{ timeframe }}') as direction_{{ timeframe }},
        {% endfor %}
        sum(direction) as direction_sum,
        count(direction) as available_count,
        count(*) filter (where direction > 0) as rising_count,
        count(*) filter (where direction < 0) as falling_count
    from directions
    group by instrument_id, session_no
),

-- -- sentiment: texts that became available within some days, as they stood then ------------------

scored_days as (
    select
        instrument_id,
        available_at,
        superseded_at,
        score,
        unnest(
            generate_series(
                date_trunc('day', available_at),
                date_trunc('day', available_at) + interval {{ sentiment_days | max }} day,
                interval 1 day
            )
        ) as observed_day
    from sentiment_scores
),

sentiment as (
    select
        sessions.instrument_id,
        sessions.session_no
        {%- for days in sentiment_days %}
        {%- set recent = 'scored_days.available_at > sessions.observed_at - interval '
            ~ days ~ ' day' %},
        count(*) filter (where {{ recent }}) as sentiment_count_{{ days }}d,
        cast(sum({{ exact('scored_days.score') }}) filter (where {{ recent }}) as double)
        / nullif(count(*) filter (where {{ recent }}), 0) as sentiment_mean_{{ days }}d
        {%- endfor %}
    from sessions
    inner join scored_days
        on
            sessions.instrument_id = scored_days.instrument_id
            and date_trunc('day', sessions.observed_at) = scored_days.observed_day
    where
        scored_days.available_at <= sessions.observed_at
        and (
            scored_days.superseded_at is null
            or scored_days.superseded_at > sessions.observed_at
        )
    group by sessions.instrument_id, sessions.session_no
),

-- -- fundamentals: what was known then ------------------------------------------------------------

figures_then as (
    select
        closes.instrument_id,
        closes.session_no,
        closes.observed_at,
        -- Both in the shares of the first session; by figures in another currency it is no ratio.
        case
            when
                known_figures.shares_outstanding_forward > 0
                and coalesce(closes.currency = known_figures.currency, true)
                then closes.close * known_figures.shares_outstanding_forward
        end as market_value,
        known_figures.* exclude (instrument_id)  -- noqa: RF02
    from closes
    asof inner join known_figures
        on
            closes.instrument_id = known_figures.instrument_id
            and closes.observed_at >= known_figures.valid_from
),

figures as (
    select * from figures_then
    where valid_to > observed_at
),

filings as (
    select distinct
        instrument_id,
        available_at
    from fundamentals
    where filed_date is not null
),

last_filings as (
    select
        closes.instrument_id,
        closes.session_no,
        date_diff(
            'day', cast(filings.available_at as date), cast(closes.observed_at as date)
        ) as days_since_filing
    from closes
    asof inner join filings
        on
            closes.instrument_id = filings.instrument_id
            and closes.observed_at >= filings.available_at
),

final as (
    select
        closes.instrument_id,
        closes.asset_class,
        closes.session_date,
        closes.observed_at,
        {{ var('features_version') }} as features_version,
        closes.session_no as session_count,
        {% for horizon in horizons %}
        closes.close / closes.close_{{ horizon }} - 1 as momentum_{{ horizon }},
        {% endfor %}
        {% for horizon in total_return_horizons %}
        (closes.close + closes.cash_{{ horizon }}) / closes.close_{{ horizon }} - 1
            as total_return_{{ horizon }},
        {% endfor %}
        signals.realized_volatility_20,
        case
            when signals.volatility_count = {{ volatility_window }}
                then signals.realized_volatility_20 / nullif(signals.usual_volatility, 0)
        end as volatility_to_median,
        signals.volatility_percentile,
        signals.regime,
        signals.bars_in_regime,
        signals.close / signals.sma_20 - 1 as close_to_sma_20,
        signals.close / signals.sma_50 - 1 as close_to_sma_50,
        signals.close / signals.sma_200 - 1 as close_to_sma_200,
        signals.sma_50 / signals.sma_200 - 1 as sma_50_to_sma_200,
        signals.macd_histogram_12_26_9 / nullif(signals.atr_14, 0) as macd_histogram_to_atr,
        signals.rsi_14,
        signals.bollinger_percent_b_20_2,
        signals.bollinger_bandwidth_20_2,
        signals.atr_14 / signals.close as atr_to_close,
        signals.adx_14,
        signals.plus_di_14 - signals.minus_di_14 as directional_difference_14,
        signals.stochastic_k_14_3_3,
        signals.stochastic_d_14_3_3,
        signals.williams_r_14,
        signals.cci_20,
        signals.mfi_14,
        signals.aroon_up_25 - signals.aroon_down_25 as aroon_difference_25,
        case
            when signals.volume_count = 20 then signals.volume / signals.split_factor
                / nullif(signals.usual_volume, 0)
        end as volume_to_mean_20,
        {% for timeframe in timeframes %}
        confluence.direction_{{ timeframe }},
        {% endfor %}
        confluence.direction_sum / nullif(confluence.available_count, 0) as confluence_score,
        case sign(confluence.direction_sum)
            when 1 then confluence.rising_count
            when -1 then confluence.falling_count
            else 0
        end as agreeing_count,
        coalesce(confluence.available_count, 0) as available_count,
        {% for days in sentiment_days %}
        sentiment.sentiment_mean_{{ days }}d,
        coalesce(sentiment.sentiment_count_{{ days }}d, 0) as sentiment_count_{{ days }}d,
        {% endfor %}
        last_filings.days_since_filing,
        date_diff('day', figures.income_period_end_date, closes.session_date)
            as days_since_period_end,
        {% for name, numerator, denominator in ratios %}
        {{ ratio_of_positive('figures.' ~ numerator, 'figures.' ~ denominator) }} as {{ name }},
        {% endfor %}
        {{ ratio_of_positive('figures.revenue_ttm', 'figures.revenue_ttm_year_before') }} - 1
            as revenue_growth
    from closes
    left join compared_signals as signals
        on
            closes.instrument_id = signals.instrument_id
            and closes.session_no = signals.session_no
    left join confluence
        on
            closes.instrument_id = confluence.instrument_id
            and closes.session_no = confluence.session_no
    left join sentiment
        on
            closes.instrument_id = sentiment.instrument_id
            and closes.session_no = sentiment.session_no
    left join figures
        on
            closes.instrument_id = figures.instrument_id
            and closes.session_no = figures.session_no
    left join last_filings
        on
            closes.instrument_id = last_filings.instrument_id
            and closes.session_no = last_filings.session_no
)

select * from final
order by session_date, instrument_id
