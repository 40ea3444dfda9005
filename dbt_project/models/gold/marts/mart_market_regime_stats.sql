{#- A regime older than this says nothing of a trade. -#}
{%- set regime_known_for_days = 7 -%}
{#- Beyond this times the price before it, it is no return but another price. -#}
{%- set largest_return = '1e4' -%}
{#- A mean of fewer bars than this part of a year has says nothing of a year. -#}
{%- set annualized_from_years = 0.25 -%}
{%- set kinds_of_trades = [('trade', 'not is_simulated'), ('simulated_trade', 'is_simulated')] -%}

with bars as (
    select * from {{ ref('market_data_enriched') }}
    where regime is not null
),

lots as (
    select * from {{ ref('trade_lifecycle') }}
    where status = 'closed'
),

accounts as (
    select * from {{ ref('accounts') }}
),

timeframes as (
    select * from {{ ref('timeframes') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

-- What a bar's regime is followed by: it is known at the bar's end, the return comes after it.
followed as (
    select
        instrument_id,
        asset_class,
        timeframe,
        regime,
        bar_start_at,
        bar_end_at,
        bars_in_regime,
        regime_started_at,
        close * split_factor as forward_close,
        lead(close * split_factor) over series as next_close
    from bars
    window series as (partition by instrument_id, timeframe order by bar_start_at)
),

measured as (
    select
        *,
        case
            when next_close / forward_close - 1 < {{ largest_return }}
                then next_close / forward_close - 1
        end as bar_return,
        next_close / greatest(
            next_close,
            max(forward_close) over (
                partition by instrument_id, timeframe, regime_started_at
                order by bar_start_at
                rows unbounded preceding
            )
        ) - 1 as drawdown_in_spell,
        next_close / greatest(
            next_close,
            max(forward_close) over (
                partition by instrument_id, timeframe
                order by bar_start_at
                rows unbounded preceding
            )
        ) - 1 as drawdown_in_all
    from followed
),

by_regime as (
    select
        instrument_id,
        asset_class,
        timeframe,
        regime,
        max(bar_end_at) as last_bar_end_at,
        count(bar_return) as bar_count,
        count(*) filter (where bar_return > 0) as positive_bar_count,
        sum({{ exact_fraction('bar_return') }}) as return_sum,
        sum({{ exact_fraction('bar_return * bar_return') }}) as square_sum,
        sum({{ exact_fraction('ln(1 + bar_return)') }}) as log_return_sum,
        min(drawdown_in_spell) as drawdown_in_spell,
        min(drawdown_in_all) as drawdown_in_all
    from measured
    group by instrument_id, asset_class, timeframe, regime
),

returns as (
    select * exclude (drawdown_in_all) rename (drawdown_in_spell as max_drawdown)
    from by_regime
    union all
    select
        instrument_id,
        asset_class,
        timeframe,
        '(all)' as regime,
        max(last_bar_end_at) as last_bar_end_at,
        sum(bar_count) as bar_count,
        sum(positive_bar_count) as positive_bar_count,
        sum(return_sum) as return_sum,
        sum(square_sum) as square_sum,
        sum(log_return_sum) as log_return_sum,
        min(drawdown_in_all) as max_drawdown
    from by_regime
    group by instrument_id, asset_class, timeframe
),

spells as (
    select
        instrument_id,
        timeframe,
        regime,
        regime_started_at,
        max(bars_in_regime) as spell_bars
    from followed
    group by instrument_id, timeframe, regime, regime_started_at
),

all_spells as (
    select * from spells
    union all
    select
        instrument_id,
        timeframe,
        '(all)' as regime,
        regime_started_at,
        spell_bars
    from spells
),

spell_lengths as (
    select
        instrument_id,
        timeframe,
        regime,
        count(*) as spell_count,
        avg(spell_bars) as mean_spell_bars,
        median(spell_bars) as median_spell_bars,
        max(spell_bars) as max_spell_bars
    from all_spells
    group by instrument_id, timeframe, regime
),

series as (
    select distinct
        instrument_id,
        timeframe
    from bars
),

lots_of_series as (
    select
        series.timeframe,
        lots.instrument_id,
        lots.opened_at,
        lots.net_pnl_base,
        lots.base_currency,
        coalesce(accounts.is_simulated, false) or lots.symbol like 'SIM-%' as is_simulated
    from lots
    inner join series on lots.instrument_id = series.instrument_id
    left join accounts on lots.account_id = accounts.account_id
),

-- The regime of the last bar that had ended when the lot was opened.
lots_in_regimes as (
    select
        lots_of_series.*,
        bars.regime
    from lots_of_series
    asof inner join bars
        on
            lots_of_series.instrument_id = bars.instrument_id
            and lots_of_series.timeframe = bars.timeframe
            and lots_of_series.opened_at >= bars.bar_end_at
    where lots_of_series.opened_at < bars.bar_end_at + interval {{ regime_known_for_days }} day
),

-- Results of simulated trades are never added to those of real ones.
trades_by_regime as (
    select
        {% for kind, condition in kinds_of_trades %}
        count(*) filter (where {{ condition }}) as {{ kind }}_count,
        count(*) filter (where {{ condition }} and net_pnl_base > 0) as {{ kind }}_won_count,
        sum(net_pnl_base) filter (where {{ condition }}) as {{ kind }}_net_pnl_base,
        min(base_currency) filter (where {{ condition }}) as {{ kind }}_first_currency,
        max(base_currency) filter (where {{ condition }}) as {{ kind }}_last_currency,
        {% endfor %}
        instrument_id,
        timeframe,
        regime
    from lots_in_regimes
    group by instrument_id, timeframe, regime
),

trades as (
    select * from trades_by_regime
    union all
    select
        {% for kind, _ in kinds_of_trades %}
        sum({{ kind }}_count) as {{ kind }}_count,
        sum({{ kind }}_won_count) as {{ kind }}_won_count,
        sum({{ kind }}_net_pnl_base) as {{ kind }}_net_pnl_base,
        min({{ kind }}_first_currency) as {{ kind }}_first_currency,
        max({{ kind }}_last_currency) as {{ kind }}_last_currency,
        {% endfor %}
        instrument_id,
        timeframe,
        '(all)' as regime
    from trades_by_regime
    group by instrument_id, timeframe
),

trade_results as (
    select
        {% for kind, _ in kinds_of_trades %}
        {{ kind }}_count,
        {{ kind }}_won_count / nullif({{ kind }}_count, 0) as {{ kind }}_win_rate,
        case
            when {{ kind }}_first_currency = {{ kind }}_last_currency
                then {{ kind }}_first_currency
        end as {{ kind }}_currency,
        case
            when {{ kind }}_first_currency = {{ kind }}_last_currency
                then cast({{ kind }}_net_pnl_base as decimal(38, 12))
        end as {{ kind }}_net_pnl_base,
        {% endfor %}
        instrument_id,
        timeframe,
        regime
    from trades
),

measures as (
    select
        returns.*,
        cast(returns.return_sum as double) / nullif(returns.bar_count, 0) as mean_return,
        ceil(asset_classes.session_seconds / timeframes.seconds) * asset_classes.sessions_per_year
            as bars_per_year,
        max(returns.bar_count) over (
            partition by returns.instrument_id, returns.timeframe
        ) as all_bar_count,
        case
            when returns.bar_count > 1
                then
                    greatest(
                        cast(returns.square_sum as double)
                        - returns.bar_count * mean_return * mean_return,
                        0
                    ) / (returns.bar_count - 1)
        end as variance
    from returns
    inner join timeframes on returns.timeframe = timeframes.timeframe
    inner join asset_classes on returns.asset_class = asset_classes.asset_class
),

final as (
    select
        measures.instrument_id,
        measures.asset_class,
        measures.timeframe,
        measures.regime,
        cast(measures.bar_count as bigint) as bar_count,
        measures.bar_count / nullif(measures.all_bar_count, 0) as time_share,
        measures.mean_return,
        case
            when measures.bar_count >= measures.bars_per_year * {{ annualized_from_years }}
                then measures.mean_return * measures.bars_per_year
        end as mean_return_annualized,
        case
            when measures.log_return_sum < 700
                then exp(cast(measures.log_return_sum as double)) - 1
        end as compound_return,
        sqrt(measures.variance * measures.bars_per_year) as volatility_annualized,
        measures.max_drawdown,
        measures.positive_bar_count / nullif(measures.bar_count, 0) as positive_bar_share,
        spell_lengths.spell_count,
        spell_lengths.mean_spell_bars,
        spell_lengths.median_spell_bars,
        spell_lengths.max_spell_bars,
        cast(coalesce(trade_results.trade_count, 0) as bigint) as trade_count,
        trade_results.trade_win_rate as win_rate,
        trade_results.trade_currency as base_currency,
        trade_results.trade_net_pnl_base as net_pnl_base,
        cast(coalesce(trade_results.simulated_trade_count, 0) as bigint) as simulated_trade_count,
        trade_results.simulated_trade_win_rate as simulated_win_rate,
        trade_results.simulated_trade_currency as simulated_base_currency,
        trade_results.simulated_trade_net_pnl_base as simulated_net_pnl_base,
        measures.last_bar_end_at
    from measures
    inner join spell_lengths
        on
            measures.instrument_id = spell_lengths.instrument_id
            and measures.timeframe = spell_lengths.timeframe
            and measures.regime = spell_lengths.regime
    left join trade_results
        on
            measures.instrument_id = trade_results.instrument_id
            and measures.timeframe = trade_results.timeframe
            and measures.regime = trade_results.regime
)

select * from final
order by instrument_id, timeframe, regime
