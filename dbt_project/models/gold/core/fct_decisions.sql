{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_decisions__remeasured', changed_key='decision_id', names_instruments=true
) }}
{%- set horizons = forward_horizons() -%}
{#- A price is that of the decision while less than this share of a bar has been traded since. -#}
{%- set fresh_share = 0.05 -%}

with decisions as (
    select decisions.* from {{ ref('decision_history') }} as decisions
    {{ changed_only('decisions', 'int_decisions__remeasured', 'decision_id') }}
),

decided_series as (
    select
        instrument_id,
        timeframe,
        min(least(bar_start_at, decided_at)) as decided_from
    from decisions
    group by instrument_id, timeframe
),

votes as (
    select * from {{ ref('int_votes__last') }}
),

bars as (
    select
        enriched.instrument_id,
        enriched.timeframe,
        enriched.bar_start_at,
        enriched.bar_no,
        enriched.session_date,
        enriched.bar_end_at,
        enriched.close * enriched.split_factor as adjusted_close,
        enriched.bar_available_at
    from {{ ref('market_data_enriched') }} as enriched
    inner join decided_series
        on
            enriched.instrument_id = decided_series.instrument_id
            and enriched.timeframe = decided_series.timeframe
            and enriched.bar_end_at >= decided_series.decided_from
),

sessions as (
    select
        asset_classes.asset_class,
        dim_sessions.session_date,
        dim_sessions.open_at
    from {{ ref('dim_sessions') }} as dim_sessions
    inner join {{ ref('asset_classes') }} as asset_classes
        on dim_sessions.calendar = asset_classes.calendar
),

executions as (
    select * from {{ ref('executions') }}
    where decision_id is not null
),

lots as (
    select * from {{ ref('trade_lifecycle') }}
    where opening_decision_id is not null
),

accounts as (
    select * from {{ ref('accounts') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

-- A listing may begin later than the first decision: such decisions get its first version.
reachable_instruments as (
    select
        *,
        row_number() over (partition by instrument_id order by valid_from) = 1 as is_first
    from instruments
),

vote_counts as (
    select
        decision_id,
        count(*) filter (where action = 'buy') as buy_vote_count,
        count(*) filter (where action = 'sell') as sell_vote_count,
        count(*) filter (where action = 'hold') as hold_vote_count,
        cast(coalesce(sum(weight) filter (where is_agreeing), 0) as double)
        / cast(sum(weight) as double) as agreement
    from votes
    group by decision_id
),

context_bars as (
    select
        decisions.decision_id,
        bars.instrument_id,
        bars.timeframe,
        bars.bar_no,
        bars.bar_end_at,
        bars.adjusted_close
    from decisions
    inner join bars
        on
            decisions.instrument_id = bars.instrument_id
            and decisions.timeframe = bars.timeframe
            and decisions.bar_start_at = bars.bar_start_at
),

-- The first bar that ended when the decision was taken, or later.
next_bars as (
    select
        decisions.decision_id,
        decisions.decided_at,
        decisions.asset_class,
        bars.instrument_id,
        bars.timeframe,
        bars.session_date,
        bars.bar_start_at,
        bars.bar_end_at,
        bars.bar_no,
        bars.adjusted_close
    from decisions
    asof inner join bars
        on
            decisions.instrument_id = bars.instrument_id
            and decisions.timeframe = bars.timeframe
            and decisions.decided_at <= bars.bar_end_at
),

-- A daily bar is labelled by midnight, and traded from its session's opening on.
bars_under_way as (
    select
        next_bars.*,
        case
            when next_bars.timeframe = '1d'
                then coalesce(sessions.open_at, next_bars.bar_start_at)
            else next_bars.bar_start_at
        end as traded_from
    from next_bars
    left join sessions
        on
            next_bars.asset_class = sessions.asset_class
            and next_bars.session_date = sessions.session_date
),

-- Returns are measured from the close that the decision saw, unless prices have moved on since:
-- then the way there is no merit of the decision, and they are measured from the next close.
base_bars as (
    select
        bars_under_way.decision_id,
        bars_under_way.instrument_id,
        bars_under_way.timeframe,
        context_bars.bar_no is not null
        and bars_under_way.bar_no <= context_bars.bar_no + 1
        and epoch(
            bars_under_way.decided_at
            - greatest(context_bars.bar_end_at, bars_under_way.traded_from)
        ) <= {{ fresh_share }} * epoch(bars_under_way.bar_end_at - bars_under_way.traded_from)
            as is_fresh,
        case when is_fresh then context_bars.bar_no else bars_under_way.bar_no end as bar_no,
        case when is_fresh then context_bars.bar_end_at else bars_under_way.bar_end_at end
            as bar_end_at,
        case when is_fresh then context_bars.adjusted_close else bars_under_way.adjusted_close end
            as adjusted_close
    from bars_under_way
    left join context_bars on bars_under_way.decision_id = context_bars.decision_id
),

horizons as (
    select unnest({{ horizons }}) as horizon_bars
),

forward_bars as (
    select
        base_bars.*,
        horizons.horizon_bars,
        base_bars.bar_no + horizons.horizon_bars as forward_bar_no
    from base_bars
    cross join horizons
),

outcomes as (
    select
        forward_bars.decision_id,
        {% for bars in horizons %}
        max(
            case
                when forward_bars.horizon_bars = {{ bars }}
                    then bars.adjusted_close / forward_bars.adjusted_close - 1
            end
        ) as {{ after_bars('return', bars) }},
        {% endfor %}
        max(bars.bar_available_at) as available_at
    from forward_bars
    inner join bars
        on
            forward_bars.instrument_id = bars.instrument_id
            and forward_bars.timeframe = bars.timeframe
            and forward_bars.forward_bar_no = bars.bar_no
    group by forward_bars.decision_id
),

execution_counts as (
    select
        decision_id,
        count(*) as execution_count,
        max(executed_at) as available_at
    from executions
    group by decision_id
),

-- An account that tells nothing else has the usual base currency; without an account, that of the
-- lots.
lot_currencies as (
    select
        opening_decision_id as decision_id,
        min(base_currency) as base_currency
    from lots
    group by opening_decision_id
),

owned as (
    select
        decisions.decision_id,
        case
            when decisions.account_id is null
                then coalesce(lot_currencies.base_currency, '{{ var("base_currency") }}')
            else coalesce(accounts.base_currency, '{{ var("base_currency") }}')
        end as base_currency,
        coalesce(accounts.is_simulated, false) or decisions.symbol like 'SIM-%' as is_simulated
    from decisions
    left join accounts on decisions.account_id = accounts.account_id
    left join lot_currencies on decisions.decision_id = lot_currencies.decision_id
),

lot_results as (
    select
        lots.opening_decision_id as decision_id,
        count(*) as lot_count,
        count(*) filter (where lots.status = 'open') as open_lot_count,
        sum(lots.net_pnl_base) filter (where lots.base_currency = owned.base_currency)
            as net_pnl_base,
        max(lots.available_at) as available_at
    from lots
    inner join owned on lots.opening_decision_id = owned.decision_id
    group by lots.opening_decision_id
),

directed as (
    select
        *,
        {{ direction_of('action') }} as direction
    from decisions
),

final as (
    select
        directed.decision_id,
        reachable_instruments.instrument_key,
        directed.instrument_id,
        directed.asset_class,
        directed.symbol,
        directed.account_id,
        directed.strategy,
        owned.base_currency,
        owned.is_simulated,
        directed.decided_at,
        directed.timeframe,
        directed.bar_start_at as context_bar_start_at,
        base_bars.bar_end_at as measured_from,
        directed.regime,
        directed.method,
        directed.action,
        directed.direction,
        directed.confidence,
        directed.position_size,
        coalesce(vote_counts.buy_vote_count, 0) as buy_vote_count,
        coalesce(vote_counts.sell_vote_count, 0) as sell_vote_count,
        coalesce(vote_counts.hold_vote_count, 0) as hold_vote_count,
        vote_counts.agreement,
        {% for bars in horizons %}
        outcomes.{{ after_bars('return', bars) }},
        {% endfor %}
        {% for bars in horizons %}
        {{ is_hit('directed.direction', 'outcomes.' ~ after_bars('return', bars)) }}
            as {{ after_bars('is_hit', bars) }},
        {% endfor %}
        coalesce(execution_counts.execution_count, 0) as execution_count,
        coalesce(lot_results.lot_count, 0) as lot_count,
        coalesce(lot_results.open_lot_count, 0) as open_lot_count,
        cast(lot_results.net_pnl_base as decimal(38, 12)) as net_pnl_base,
        greatest(outcomes.available_at, execution_counts.available_at, lot_results.available_at)
            as outcome_available_at
    from directed
    inner join owned on directed.decision_id = owned.decision_id
    left join reachable_instruments
        on
            directed.instrument_id = reachable_instruments.instrument_id
            and directed.decided_at < reachable_instruments.valid_to
            and (
                directed.decided_at >= reachable_instruments.valid_from
                or reachable_instruments.is_first
            )
    left join vote_counts on directed.decision_id = vote_counts.decision_id
    left join base_bars on directed.decision_id = base_bars.decision_id
    left join outcomes on directed.decision_id = outcomes.decision_id
    left join execution_counts on directed.decision_id = execution_counts.decision_id
    left join lot_results on directed.decision_id = lot_results.decision_id
)

select * from final
order by decided_at, decision_id
