with bars as (
    select * from {{ ref('bars') }}
    where timeframe = '1d' and is_final
),

factors as (
    select * from {{ ref('adjustment_factors') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

sessions as (
    select * from {{ ref('dim_sessions') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

-- A listing may begin later than the first bar we have: such bars get its first version.
reachable_instruments as (
    select
        *,
        row_number() over (partition by instrument_id order by valid_from) = 1 as is_first
    from instruments
),

joined as (
    select
        bars.*,
        reachable_instruments.instrument_key,
        sessions.session_key,
        factors.split_factor,
        factors.total_return_factor
    from bars
    inner join asset_classes on bars.asset_class = asset_classes.asset_class
    inner join sessions
        on
            asset_classes.calendar = sessions.calendar
            and bars.session_date = sessions.session_date
    inner join reachable_instruments
        on
            bars.instrument_id = reachable_instruments.instrument_id
            and bars.bar_end_at < reachable_instruments.valid_to
            and (
                bars.bar_end_at >= reachable_instruments.valid_from
                or reachable_instruments.is_first
            )
    inner join factors
        on
            bars.instrument_id = factors.instrument_id
            and bars.session_date >= factors.valid_from
            and bars.session_date < factors.valid_to
),

final as (
    select
        instrument_key,
        session_key,
        instrument_id,
        session_date,
        open,
        high,
        low,
        close,
        volume,
        split_factor,
        total_return_factor,
        close * split_factor / lag(close * split_factor) over series - 1 as price_return,
        close * total_return_factor / lag(close * total_return_factor) over series - 1
            as total_return,
        provider,
        is_derived,
        bar_end_at,
        available_at
    from joined
    window series as (partition by instrument_id order by session_date)
)

select * from final
order by session_date, instrument_id
