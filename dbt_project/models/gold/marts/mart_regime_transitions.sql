with spells as (
    select * from {{ ref('int_regimes__spells') }}
),

-- All bars of a spell but its last are followed by one of the same regime.
changes as (
    select
        instrument_id,
        asset_class,
        timeframe,
        regime as from_regime,
        regime as to_regime,
        bar_count - 1 as transition_count
    from spells
    union all
    select
        instrument_id,
        asset_class,
        timeframe,
        regime as from_regime,
        next_regime as to_regime,
        1 as transition_count
    from spells
    where next_regime is not null
),

transitions as (
    select
        instrument_id,
        asset_class,
        timeframe,
        from_regime,
        to_regime,
        cast(sum(transition_count) as bigint) as transition_count
    from changes
    where transition_count > 0
    group by instrument_id, asset_class, timeframe, from_regime, to_regime
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
