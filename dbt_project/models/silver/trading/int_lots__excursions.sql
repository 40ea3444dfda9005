-- depends_on: {{ ref('int_positions__restarts') }}, {{ ref('int_trading__changed_bars') }}
{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['trading_family'],
    changed_in='int_lots__changed', changed_key='lot_id'
) }}
{#- Extremes of whole blocks of so many bars are kept, and of 1, 2, 4, … blocks from each on; of so
    many bars more that these reach from end to end. -#}
{%- set block_size = 32 -%}
{%- set levels = var('excursion_levels', 18) -%}

with matched_lots as (
    select lots.* from {{ ref('int_lots__matched') }} as lots
    {{ changed_only('lots', 'int_lots__changed', 'lot_id') }}
),

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

calendar_sessions as (
    select
        asset_classes.asset_class,
        sessions.session_date,
        sessions.open_at
    from {{ ref('int_calendar__sessions') }} as sessions
    inner join asset_classes on sessions.calendar = asset_classes.calendar
),

last_closes as (
    select
        instrument_id,
        max(bar_end_at) as bar_end_at
    from {{ ref('int_trading__closes') }}
    group by instrument_id
),

{% if is_incremental() %}
restarts as (
    select * from {{ ref('int_positions__restarts') }}
),

changed_bars as (
    select * from {{ ref('int_trading__changed_bars') }}
),

-- The extremes of what a lot is of while it was open count further, if its opening and the bars of
-- that time are as they were.
counted_lots as (
    select
        matched_lots.lot_id,
        open_lots.until_at as counted_until,
        open_lots.highest,
        open_lots.lowest
    from matched_lots
    inner join {{ this }} as open_lots
        on
            open_lots.lot_id
            = {{ surrogate_key([
                'matched_lots.account_id', 'matched_lots.instrument_id',
                'matched_lots.opening_execution_id', 'cast(null as varchar)',
            ]) }}
    left join restarts
        on
            matched_lots.account_id = restarts.account_id
            and matched_lots.instrument_id = restarts.instrument_id
    left join changed_bars on matched_lots.instrument_id = changed_bars.instrument_id
    where
        coalesce(matched_lots.opened_at < restarts.restart_at, true)
        and coalesce(open_lots.until_at <= changed_bars.changed_from, true)
        and coalesce(open_lots.until_at <= matched_lots.closed_at, true)
),
{% else %}
counted_lots as (
    select
        cast(null as varchar) as lot_id,
        cast(null as timestamp) as counted_until,
        cast(null as double) as highest,
        cast(null as double) as lowest
    where false
),
{% endif %}

-- No bar is longer than a day.
lots as (
    select
        matched_lots.lot_id,
        matched_lots.instrument_id,
        greatest(matched_lots.opened_at, counted_lots.counted_until - interval 1 day) as from_at,
        coalesce(matched_lots.closed_at, last_closes.bar_end_at) as until_at,
        counted_lots.highest as counted_highest,
        counted_lots.lowest as counted_lowest
    from matched_lots
    left join last_closes on matched_lots.instrument_id = last_closes.instrument_id
    left join counted_lots on matched_lots.lot_id = counted_lots.lot_id
),

spans as (
    select
        instrument_id,
        min(from_at) as first_at,
        max(until_at) as last_at
    from lots
    group by instrument_id
),

-- Bars as vendors gave them: those derived from them reach no further. A daily bar is labelled with
-- midnight, but opens with its session. Prices in the units that no split changes.
bars as (
    select
        bars.instrument_id,
        bars.timeframe,
        bars.session_date,
        bars.bar_start_at,
        case
            when bars.timeframe = '1d' then coalesce(calendar_sessions.open_at, bars.bar_start_at)
            else bars.bar_start_at
        end as bar_opens_at,
        bars.bar_end_at,
        bars.high / coalesce(share_units.units_per_share, 1) as high,
        bars.low / coalesce(share_units.units_per_share, 1) as low
    from {{ ref('bars') }} as bars
    inner join spans
        on
            bars.instrument_id = spans.instrument_id
            and bars.bar_end_at > spans.first_at
            and bars.bar_end_at <= spans.last_at
    left join share_units
        on
            bars.instrument_id = share_units.instrument_id
            and bars.session_date >= share_units.valid_from
            and bars.session_date < share_units.valid_to
    left join calendar_sessions
        on
            bars.asset_class = calendar_sessions.asset_class
            and bars.session_date = calendar_sessions.session_date
    where bars.is_final and not bars.is_derived
),

series as (
    select
        bars.instrument_id,
        bars.timeframe,
        row_number() over (order by bars.instrument_id, bars.timeframe) as series_no,
        greatest({{ block_size }}, count(*) // {{ 2 ** levels }} + 1) as block_size
    from bars
    group by bars.instrument_id, bars.timeframe
),

numbered as (
    select
        series.series_no,
        series.block_size,
        bars.bar_opens_at,
        bars.bar_end_at,
        bars.high,
        bars.low,
        row_number() over (partition by series.series_no order by bars.bar_opens_at) as bar_no
    from bars
    inner join series
        on
            bars.instrument_id = series.instrument_id
            and bars.timeframe = series.timeframe
),

in_blocks as (
    select
        *,
        bar_no // block_size as block_no,
        max(high) over since_start as high_since_start,
        min(low) over since_start as low_since_start,
        max(high) over until_end as high_until_end,
        min(low) over until_end as low_until_end
    from numbered
    window
        since_start as (
            partition by series_no, bar_no // block_size
            order by bar_no
            rows between unbounded preceding and current row
        ),
        until_end as (
            partition by series_no, bar_no // block_size
            order by bar_no
            rows between current row and unbounded following
        )
),

blocks as (
    select
        series_no,
        bar_no // block_size as block_no,
        max(high) as high,
        min(low) as low
    from numbered
    group by all
),

-- Any stretch of blocks is covered by two that are as long as a power of two.
stretches as (
    select
        series_no,
        block_no,
        [
            {%- for level in range(levels) %}
            max(high) over (
                partition by series_no
                order by block_no
                rows between current row and {{ 2 ** level - 1 }} following
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ] as highs,
        [
            {%- for level in range(levels) %}
            min(low) over (
                partition by series_no
                order by block_no
                rows between current row and {{ 2 ** level - 1 }} following
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ] as lows
    from blocks
),

lot_series as (
    select
        lots.lot_id,
        lots.from_at,
        lots.until_at,
        series.series_no
    from lots
    inner join series on lots.instrument_id = series.instrument_id
),

-- The first bar that opens, and the last that ends, while the lot is open.
lot_bars as (
    select
        lot_series.lot_id,
        lot_series.series_no,
        first_bar.bar_no as first_bar_no,
        last_bar.bar_no as last_bar_no,
        first_bar.block_no as first_block_no,
        last_bar.block_no as last_block_no,
        first_bar.high_until_end,
        first_bar.low_until_end,
        last_bar.high_since_start,
        last_bar.low_since_start,
        cast(
            floor(log2(nullif(greatest(last_bar.block_no - first_bar.block_no - 1, 0), 0)))
            as integer
        ) as level
    from lot_series
    asof inner join in_blocks as first_bar
        on
            lot_series.series_no = first_bar.series_no
            and lot_series.from_at <= first_bar.bar_opens_at
    asof inner join in_blocks as last_bar
        on
            lot_series.series_no = last_bar.series_no
            and lot_series.until_at >= last_bar.bar_end_at
    where first_bar.bar_no <= last_bar.bar_no
),

within_a_block as (
    select
        lot_bars.lot_id,
        max(in_blocks.high) as high,
        min(in_blocks.low) as low
    from lot_bars
    inner join in_blocks
        on
            lot_bars.series_no = in_blocks.series_no
            and lot_bars.first_block_no = in_blocks.block_no
            and lot_bars.first_bar_no <= in_blocks.bar_no
            and lot_bars.last_bar_no >= in_blocks.bar_no
    where lot_bars.first_block_no = lot_bars.last_block_no
    group by lot_bars.lot_id
),

across_blocks as (
    select
        lot_bars.lot_id,
        greatest(
            lot_bars.high_until_end,
            lot_bars.high_since_start,
            first_stretch.highs[lot_bars.level + 1],
            last_stretch.highs[lot_bars.level + 1]
        ) as high,
        least(
            lot_bars.low_until_end,
            lot_bars.low_since_start,
            first_stretch.lows[lot_bars.level + 1],
            last_stretch.lows[lot_bars.level + 1]
        ) as low
    from lot_bars
    left join stretches as first_stretch
        on
            lot_bars.series_no = first_stretch.series_no
            and lot_bars.first_block_no + 1 = first_stretch.block_no
    left join stretches as last_stretch
        on
            lot_bars.series_no = last_stretch.series_no
            and lot_bars.last_block_no - cast(pow(2, lot_bars.level) as bigint)
            = last_stretch.block_no
    where lot_bars.first_block_no < lot_bars.last_block_no
),

extremes as (
    select * from within_a_block
    union all
    select * from across_blocks
),

highest_and_lowest as (
    select
        lot_id,
        max(high) as highest,
        min(low) as lowest
    from extremes
    group by lot_id
),

final as (
    select
        lots.lot_id,
        lots.until_at,
        greatest(highest_and_lowest.highest, lots.counted_highest) as highest,
        least(highest_and_lowest.lowest, lots.counted_lowest) as lowest
    from lots
    left join highest_and_lowest on lots.lot_id = highest_and_lowest.lot_id
)

select * from final
