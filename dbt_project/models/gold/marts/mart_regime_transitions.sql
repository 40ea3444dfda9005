with bars as (
    select * from {{ ref('market_data_enriched') }}
    where regime is not null
),

followed as (
    select
        instrument_id,
        asset_class,
        timeframe,
        regime as from_regime,
        lead(regime) over (partition by instrument_id, timeframe order by bar_start_at)
            as to_regime
    from bars
),

transitions as (
    select
        instrument_id,
        asset_class,
        timeframe,
        from_regime,
        to_regime,
        count(*) as transition_count
    from followed
    where to_regime is not null
    group by all
),

final as (
    select
        instrument_id,
        asset_class,
        timeframe,
        from_regime,
        to_regime,
        transition_count,
        transition_count / sum(transition_count) over from_one as probability,
        case
            when from_regime <> to_regime
                then
                    transition_count
                    / sum(transition_count) filter (where from_regime <> to_regime) over from_one
        end as probability_when_left
    from transitions
    window from_one as (partition by instrument_id, timeframe, from_regime)
)

select * from final
order by instrument_id, timeframe, from_regime, to_regime
