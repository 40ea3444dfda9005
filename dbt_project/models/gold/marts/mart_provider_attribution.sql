{%- set horizons = forward_horizons() -%}
{%- set keys = [
    'is_simulated', 'base_currency', 'timeframe', 'asset_class', 'instrument_id', 'regime',
    'signal_provider',
] -%}
{%- set measures = [
    'outcome_count', 'hit_sample_count', 'hit_rate', 'mean_directed_return', 'brier_score',
    'information_coefficient',
] -%}

with decisions as (
    select * from {{ ref('fct_decisions') }}
),

last_votes as (
    select * from {{ ref('int_votes__last') }}
),

lots as (
    select
        parts.*,
        lifecycle.base_currency
    from {{ ref('int_lots__attributed') }} as parts
    inner join {{ ref('trade_lifecycle') }} as lifecycle on parts.lot_id = lifecycle.lot_id
),

results as (
    select
        lots.decision_id,
        lots.signal_provider,
        count(*) as lot_count,
        sum(lots.net_pnl_base) as net_pnl_base
    from lots
    inner join decisions
        on
            lots.decision_id = decisions.decision_id
            and lots.base_currency = decisions.base_currency
    group by lots.decision_id, lots.signal_provider
),

cast_votes as (
    select
        decisions.is_simulated,
        decisions.base_currency,
        decisions.timeframe,
        decisions.asset_class,
        decisions.instrument_id,
        coalesce(decisions.regime, '(none)') as regime,
        last_votes.signal_provider,
        last_votes.action,
        last_votes.is_agreeing,
        last_votes.direction,
        last_votes.confidence,
        {% for bars in horizons %}
        decisions.{{ after_bars('return', bars) }},
        {% endfor %}
        coalesce(results.lot_count, 0) as lot_count,
        results.net_pnl_base
    from last_votes
    inner join decisions on last_votes.decision_id = decisions.decision_id
    left join results
        on
            last_votes.decision_id = results.decision_id
            and last_votes.signal_provider = results.signal_provider
),

-- What decisions earned that nobody voted for.
unvoted as (
    select
        decisions.is_simulated,
        decisions.base_currency,
        decisions.timeframe,
        decisions.asset_class,
        decisions.instrument_id,
        coalesce(decisions.regime, '(none)') as regime,
        results.signal_provider,
        results.lot_count,
        results.net_pnl_base
    from results
    inner join decisions on results.decision_id = decisions.decision_id
    where results.signal_provider = '(none)'
),

votes as (
    select * from cast_votes
    union all by name
    select * from unvoted
),

combinations as (
    select distinct {{ keys | join(', ') }}
    from votes
),

numbered as (
    select
        *,
        row_number() over (order by {{ keys | join(', ') }}) as combination_no
    from combinations
),

-- Every vote counts in each of these.
rollups as (
    select told_apart.* from (
        values
        (true, true, true),
        (true, true, false),
        (true, false, true),
        (true, false, false),
        (false, false, true),
        (false, false, false)
    ) as told_apart (by_asset_class, by_instrument, by_regime)
),

memberships as (
    select
        numbered.combination_no,
        numbered.is_simulated,
        numbered.base_currency,
        numbered.timeframe,
        case when rollups.by_asset_class then numbered.asset_class else '(all)' end
            as asset_class,
        case when rollups.by_instrument then numbered.instrument_id else '(all)' end
            as instrument_id,
        case when rollups.by_regime then numbered.regime else '(all)' end as regime,
        numbered.signal_provider
    from numbered
    cross join rollups
),

groups as (
    select
        {{ keys | join(',
        ') }},
        list(combination_no order by combination_no) as combinations
    from memberships
    group by {{ keys | join(', ') }}
),

-- Groups of the same votes (of a provider of one instrument, say) are measured once.
numbered_groups as (
    select
        *,
        dense_rank() over (order by combinations) as group_no
    from groups
),

combinations_of_groups as (
    select distinct
        group_no,
        unnest(combinations) as combination_no
    from numbered_groups
),

members as (
    select
        combinations_of_groups.group_no,
        votes.action,
        votes.is_agreeing,
        votes.direction,
        votes.confidence,
        {% for bars in horizons %}
        votes.{{ after_bars('return', bars) }},
        {% endfor %}
        votes.lot_count,
        votes.net_pnl_base
    from votes
    inner join numbered
        on
            votes.is_simulated = numbered.is_simulated
            and votes.base_currency = numbered.base_currency
            and votes.timeframe = numbered.timeframe
            and votes.asset_class = numbered.asset_class
            and votes.instrument_id = numbered.instrument_id
            and votes.regime = numbered.regime
            and votes.signal_provider = numbered.signal_provider
    inner join combinations_of_groups
        on numbered.combination_no = combinations_of_groups.combination_no
),

counts as (
    select
        group_no,
        count(action) as vote_count,
        count(*) filter (where action = 'buy') as buy_vote_count,
        count(*) filter (where action = 'sell') as sell_vote_count,
        count(*) filter (where action = 'hold') as hold_vote_count,
        count(*) filter (where is_agreeing) as agreeing_vote_count,
        {{ exact_average('confidence') }} as mean_confidence,
        cast(sum(lot_count) as bigint) as lot_count,
        cast(coalesce(sum(net_pnl_base), 0) as decimal(38, 12)) as attributed_pnl_base
    from members
    group by group_no
),

judged as (
    {% for bars in horizons %}
    select
        group_no,
        {{ bars }} as horizon_bars,
        direction,
        confidence,
        direction * confidence as signed_confidence,
        {{ after_bars('return', bars) }} as forward_return,
        {{ is_hit('direction', after_bars('return', bars)) }} as is_hit
    from members
    where {{ after_bars('return', bars) }} is not null and action is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

scores as (
    select
        group_no,
        horizon_bars,
        count(*) as outcome_count,
        count(is_hit) as hit_sample_count,
        {{ hit_rate('is_hit') }} as hit_rate,
        {{ exact_average('direction * forward_return') }} as mean_directed_return,
        {{ brier_score('confidence', 'is_hit') }} as brier_score
    from judged
    group by group_no, horizon_bars
),

confidence_counts as (
    select
        group_no,
        horizon_bars,
        signed_confidence,
        count(*) as vote_count
    from judged
    where signed_confidence is not null
    group by group_no, horizon_bars, signed_confidence
),

-- There are few confidences, and many votes: their ranks are counted, as doubled_rank() gives them.
confidence_ranks as (
    select
        group_no,
        horizon_bars,
        signed_confidence,
        2 * sum(vote_count) over votes_so_far - vote_count + 1 as confidence_rank
    from confidence_counts
    window votes_so_far as (partition by group_no, horizon_bars order by signed_confidence)
),

ranked as (
    select
        judged.group_no,
        judged.horizon_bars,
        confidence_ranks.confidence_rank,
        {{ doubled_rank('judged.forward_return', 'judged.group_no, judged.horizon_bars') }}
            as return_rank
    from judged
    inner join confidence_ranks
        on
            judged.group_no = confidence_ranks.group_no
            and judged.horizon_bars = confidence_ranks.horizon_bars
            and judged.signed_confidence = confidence_ranks.signed_confidence
),

correlations as (
    select
        group_no,
        horizon_bars,
        {{ rank_correlation('confidence_rank', 'return_rank') }} as information_coefficient
    from ranked
    group by group_no, horizon_bars
),

measured as (
    select
        scores.*,
        correlations.information_coefficient
    from scores
    left join correlations
        on
            scores.group_no = correlations.group_no
            and scores.horizon_bars = correlations.horizon_bars
),

horizons as (
    select
        {% for bars in horizons %}
        {% for measure in measures %}
        max(case when horizon_bars = {{ bars }} then {{ measure }} end)
            as {{ after_bars(measure, bars) }},
        {% endfor %}
        {% endfor %}
        group_no
    from measured
    group by group_no
),

final as (
    select
        numbered_groups.is_simulated,
        numbered_groups.base_currency,
        numbered_groups.timeframe,
        numbered_groups.asset_class,
        numbered_groups.instrument_id,
        numbered_groups.regime,
        numbered_groups.signal_provider,
        counts.vote_count,
        counts.buy_vote_count,
        counts.sell_vote_count,
        counts.hold_vote_count,
        counts.agreeing_vote_count,
        counts.mean_confidence,
        {% for bars in horizons %}
        coalesce(horizons.{{ after_bars('outcome_count', bars) }}, 0)
            as {{ after_bars('outcome_count', bars) }},
        coalesce(horizons.{{ after_bars('hit_sample_count', bars) }}, 0)
            as {{ after_bars('hit_sample_count', bars) }},
        horizons.{{ after_bars('hit_rate', bars) }},
        horizons.{{ after_bars('mean_directed_return', bars) }},
        horizons.{{ after_bars('information_coefficient', bars) }},
        horizons.{{ after_bars('brier_score', bars) }},
        {% endfor %}
        counts.lot_count,
        counts.attributed_pnl_base
    from numbered_groups
    inner join counts on numbered_groups.group_no = counts.group_no
    left join horizons on numbered_groups.group_no = horizons.group_no
)

select * from final
order by {{ keys | join(', ') }}
