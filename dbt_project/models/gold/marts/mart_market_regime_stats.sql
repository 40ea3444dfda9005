{#- A mean of fewer bars than this part of a year has says nothing of a year. -#}
{%- set annualized_from_years = 0.25 -%}
{%- set kinds_of_trades = [('trade', 'not is_simulated'), ('simulated_trade', 'is_simulated')] -%}

with all_spells as (
    select * from {{ ref('int_regimes__spells') }}
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

-- A number is narrower to sort by than names.
series as (
    select
        row_number() over (order by instrument_id, timeframe) as series_no,
        instrument_id,
        timeframe
    from all_spells
    group by instrument_id, timeframe
),

spells as (
    select
        series.series_no,
        all_spells.*
    from all_spells
    inner join series
        on
            all_spells.instrument_id = series.instrument_id
            and all_spells.timeframe = series.timeframe
),

-- No fall from before the spell is deeper than that of its lowest close.
fallen as (
    select
        *,
        least(
            max_drawdown,
            lowest_next_close / greatest(
                lowest_next_close,
                max(highest_close) over (
                    partition by series_no
                    order by regime_started_at
                    rows between unbounded preceding and 1 preceding
                )
            ) - 1
        ) as drawdown_in_all
    from spells
),

by_regime as (
    select
        series_no,
        instrument_id,
        asset_class,
        timeframe,
        regime,
        max(last_bar_end_at) as last_bar_end_at,
        sum(return_count) as bar_count,
        sum(positive_return_count) as positive_bar_count,
        sum(return_sum) as return_sum,
        sum(return_square_sum) as square_sum,
        sum(log_return_sum) as log_return_sum,
        min(max_drawdown) as drawdown_in_spell,
        min(drawdown_in_all) as drawdown_in_all
    from fallen
    group by series_no, instrument_id, asset_class, timeframe, regime
),

returns as (
    select * exclude (drawdown_in_all) rename (drawdown_in_spell as max_drawdown)
    from by_regime
    union all
    select
        series_no,
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
    group by series_no, instrument_id, asset_class, timeframe
),

lengths as (
    select
        series_no,
        regime,
        bar_count
    from spells
    union all
    select
        series_no,
        '(all)' as regime,
        bar_count
    from spells
),

spell_lengths as (
    select
        series_no,
        regime,
        count(*) as spell_count,
        avg(bar_count) as mean_spell_bars,
        median(bar_count) as median_spell_bars,
        max(bar_count) as max_spell_bars
    from lengths
    group by series_no, regime
),

-- Results of simulated trades are never added to those of real ones.
lots_of_kinds as (
    select
        lots.instrument_id,
        lots.opened_at,
        lots.net_pnl_base,
        lots.base_currency,
        coalesce(accounts.is_simulated, false) or lots.symbol like 'SIM-%' as is_simulated
    from lots
    left join accounts on lots.account_id = accounts.account_id
),

-- One order's fills, and what many accounts do at once, are found in a regime together.
lots_opened_at_once as (
    select
        instrument_id,
        opened_at,
        base_currency,
        is_simulated,
        count(*) as lot_count,
        count(*) filter (where net_pnl_base > 0) as won_count,
        sum(net_pnl_base) as net_pnl_base
    from lots_of_kinds
    group by instrument_id, opened_at, base_currency, is_simulated
),

lots_of_series as (
    select
        series.series_no,
        lots_opened_at_once.* exclude (instrument_id)  -- noqa: RF02
    from lots_opened_at_once
    inner join series on lots_opened_at_once.instrument_id = series.instrument_id
),

known_regimes as (
    select
        series_no,
        regime,
        unnest(known_from) as known_from,
        unnest(known_to) as known_to
    from spells
),

-- The regime of the last bar that had ended when the lot was opened.
lots_in_regimes as (
    select
        lots_of_series.*,
        known_regimes.regime
    from lots_of_series
    asof inner join known_regimes
        on
            lots_of_series.series_no = known_regimes.series_no
            and lots_of_series.opened_at >= known_regimes.known_from
    where lots_of_series.opened_at < known_regimes.known_to
),

trades_by_regime as (
    select
        {% for kind, condition in kinds_of_trades %}
        sum(lot_count) filter (where {{ condition }}) as {{ kind }}_count,
        sum(won_count) filter (where {{ condition }}) as {{ kind }}_won_count,
        sum(net_pnl_base) filter (where {{ condition }}) as {{ kind }}_net_pnl_base,
        min(base_currency) filter (where {{ condition }}) as {{ kind }}_first_currency,
        max(base_currency) filter (where {{ condition }}) as {{ kind }}_last_currency,
        {% endfor %}
        series_no,
        regime
    from lots_in_regimes
    group by series_no, regime
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
        series_no,
        '(all)' as regime
    from trades_by_regime
    group by series_no
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
        series_no,
        regime
    from trades
),

measures as (
    select
        returns.*,
        cast(returns.return_sum as double) / nullif(returns.bar_count, 0) as mean_return,
        ceil(asset_classes.session_seconds / timeframes.seconds) * asset_classes.sessions_per_year
            as bars_per_year,
        max(returns.bar_count) over (partition by returns.series_no) as all_bar_count,
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
            measures.series_no = spell_lengths.series_no
            and measures.regime = spell_lengths.regime
    left join trade_results
        on
            measures.series_no = trade_results.series_no
            and measures.regime = trade_results.regime
)

select * from final
order by instrument_id, timeframe, regime
