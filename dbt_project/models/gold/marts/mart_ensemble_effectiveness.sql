{%- set horizons = forward_horizons() -%}
{%- set keys = [
    'is_simulated', 'base_currency', 'timeframe', 'asset_class', 'method', 'decided_by',
] -%}

with decisions as (
    select * from {{ ref('fct_decisions') }}
),

votes as (
    select * from {{ ref('int_votes__last') }}
),

-- What was decided, and what each would have done alone.
choices as (
    select
        decision_id,
        '(ensemble)' as decided_by,
        direction as chosen_direction,
        confidence as chosen_confidence,
        agreement,
        lot_count as chosen_lot_count,
        net_pnl_base as chosen_pnl_base
    from decisions
    union all
    select
        decision_id,
        signal_provider as decided_by,
        direction as chosen_direction,
        confidence as chosen_confidence,
        cast(cast(is_agreeing as integer) as double) as agreement,
        cast(null as bigint) as chosen_lot_count,
        cast(null as decimal(38, 12)) as chosen_pnl_base
    from votes
),

compared as (
    select
        choices.*,
        decisions.is_simulated,
        decisions.base_currency,
        decisions.timeframe,
        decisions.asset_class,
        decisions.method,
        {% for bars in horizons %}
        decisions.{{ after_bars('return', bars) }},
        decisions.{{ after_bars('is_hit', bars) }} as {{ after_bars('ensemble_is_hit', bars) }},
        {% endfor %}
        decisions.direction as ensemble_direction
    from choices
    inner join decisions on choices.decision_id = decisions.decision_id
),

entities as (
    select * from compared
    union all
    select * replace ('(all)' as asset_class) from compared
),

scored as (
    select
        {{ keys | join(',\n        ') }},
        count(*) as decision_count,
        count(*) filter (where chosen_direction <> 0) as action_count,
        {{ exact_average('chosen_confidence') }} as mean_confidence,
        {{ exact_average('agreement') }} as agreement,
        {% for bars in horizons %}
        {%- set forward_return = after_bars('return', bars) -%}
        {%- set chosen_is_hit = is_hit('chosen_direction', forward_return) %}
        count({{ forward_return }}) as {{ after_bars('outcome_count', bars) }},
        count({{ chosen_is_hit }}) as {{ after_bars('hit_sample_count', bars) }},
        {{ hit_rate(chosen_is_hit) }} as {{ after_bars('hit_rate', bars) }},
        {%- set ensemble_is_hit = after_bars('ensemble_is_hit', bars) %}
        {%- set is_compared = '(' ~ chosen_is_hit ~ ') is not null and ' ~ ensemble_is_hit
            ~ ' is not null' %}
        count(*) filter (where {{ is_compared }}) as {{ after_bars('compared_count', bars) }},
        {{ hit_rate('case when ' ~ is_compared ~ ' then ' ~ chosen_is_hit ~ ' end') }}
            as {{ after_bars('compared_hit_rate', bars) }},
        {{ hit_rate('case when ' ~ is_compared ~ ' then ' ~ ensemble_is_hit ~ ' end') }}
            as {{ after_bars('ensemble_hit_rate', bars) }},
        {{ exact_average('chosen_direction * ' ~ forward_return) }}
            as {{ after_bars('mean_directed_return', bars) }},
        {{ exact_average('ensemble_direction * ' ~ forward_return) }}
            as {{ after_bars('ensemble_mean_directed_return', bars) }},
        {% endfor %}
        count(*) filter (where chosen_lot_count > 0) as traded_decision_count,
        cast(count(*) filter (where chosen_pnl_base > 0) as double)
        / nullif(count(chosen_pnl_base), 0) as win_rate,
        cast(sum(chosen_pnl_base) as decimal(38, 12)) as net_pnl_base
    from entities
    group by {{ keys | join(', ') }}
),

final as (
    select
        {{ keys | join(',\n        ') }},
        decision_count,
        action_count,
        mean_confidence,
        agreement,
        {% for bars in horizons %}
        {% for measure in [
            'outcome_count', 'hit_sample_count', 'hit_rate', 'compared_count', 'compared_hit_rate',
            'ensemble_hit_rate', 'mean_directed_return', 'ensemble_mean_directed_return',
        ] %}
        {{ after_bars(measure, bars) }},
        {% endfor %}
        {% endfor %}
        case when decided_by = '(ensemble)' then traded_decision_count end as traded_decision_count,
        win_rate,
        net_pnl_base
    from scored
)

select * from final
order by {{ keys | join(', ') }}
