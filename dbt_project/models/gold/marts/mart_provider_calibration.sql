with decisions as (
    select * from {{ ref('fct_decisions') }}
),

votes as (
    select * from {{ ref('int_votes__last') }}
    where direction <> 0 and confidence is not null
),

judged as (
    {% for bars in forward_horizons() %}
    select
        decisions.is_simulated,
        decisions.timeframe,
        votes.signal_provider,
        {{ bars }} as horizon_bars,
        {{ reliability_bin('votes.confidence') }} as confidence_bin,
        votes.confidence,
        {{ is_hit('votes.direction', 'decisions.' ~ after_bars('return', bars)) }} as is_hit
    from votes
    inner join decisions on votes.decision_id = decisions.decision_id
    where decisions.{{ after_bars('return', bars) }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

scored as (
    select
        is_simulated,
        timeframe,
        signal_provider,
        horizon_bars,
        confidence_bin,
        count(*) as vote_count,
        count(*) filter (where is_hit) as hit_count,
        {{ exact_average('confidence') }} as mean_confidence,
        {{ hit_rate('is_hit') }} as hit_rate,
        {{ brier_score('confidence', 'is_hit') }} as brier_score
    from judged
    group by is_simulated, timeframe, signal_provider, horizon_bars, confidence_bin
),

final as (
    select
        is_simulated,
        timeframe,
        signal_provider,
        horizon_bars,
        confidence_bin,
        cast((confidence_bin - 1) / 10.0 as double) as confidence_from,
        cast(confidence_bin / 10.0 as double) as confidence_to,
        vote_count,
        hit_count,
        mean_confidence,
        hit_rate,
        hit_rate - mean_confidence as calibration_gap,
        brier_score
    from scored
)

select * from final
order by is_simulated, timeframe, signal_provider, horizon_bars, confidence_bin
