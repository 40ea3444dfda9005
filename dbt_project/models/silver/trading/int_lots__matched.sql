{{ config(
    materialized='incremental', incremental_strategy='replace_restarted_lots',
    tags=['trading_family']
) }}
{%- set restarts = ref('int_positions__restarts') %}

with all_executions as (
    select * from {{ ref('executions') }}
),

{% if is_incremental() %}
restarts as (
    select * from {{ restarts }}
),

-- What a position that restarts held then: opened before, and closed, if at all, from then on.
held_lots as (
    select
        lots.account_id,
        lots.instrument_id,
        lots.opening_execution_id,
        lots.units
    from {{ this }} as lots
    inner join restarts
        on
            lots.account_id = restarts.account_id
            and lots.instrument_id = restarts.instrument_id
    where
        lots.opened_at < restarts.restart_at
        and (lots.closed_at is null or lots.closed_at >= restarts.restart_at)
),

held_executions as (
    select
        account_id,
        instrument_id,
        opening_execution_id as execution_id,
        sum(units) as held_units
    from held_lots
    group by account_id, instrument_id, opening_execution_id
),

executions as (
    select
        executions.*,
        held_executions.held_units
    from all_executions as executions
    inner join restarts
        on
            executions.account_id = restarts.account_id
            and executions.instrument_id = restarts.instrument_id
    left join held_executions
        on
            executions.account_id = held_executions.account_id
            and executions.instrument_id = held_executions.instrument_id
            and executions.execution_id = held_executions.execution_id
    where executions.executed_at >= restarts.restart_at or held_executions.held_units is not null
),
{% else %}
executions as (
    select
        *,
        cast(null as decimal(38, 18)) as held_units
    from all_executions
),
{% endif %}

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

positions as (
    select
        account_id,
        instrument_id,
        row_number() over (order by account_id, instrument_id) as position_no
    from executions
    group by account_id, instrument_id
),

fills as (
    select
        row_number() over (
            order by positions.position_no, executions.executed_at, executions.execution_id
        ) as fill_no,
        positions.position_no,
        executions.account_id,
        executions.instrument_id,
        executions.execution_id,
        executions.executed_at,
        executions.side,
        {{ in_units('executions.quantity', 'share_units') }} as units,
        coalesce(share_units.units_per_share, 1) as units_per_share,
        share_units.unit_step,
        executions.decision_id,
        executions.strategy,
        executions.asset_class,
        executions.symbol,
        executions.price,
        executions.quote_currency,
        executions.base_currency,
        executions.currency_rate,
        executions.gross_amount_base,
        executions.fee_base,
        executions.held_units
    from executions
    inner join positions
        on
            executions.account_id = positions.account_id
            and executions.instrument_id = positions.instrument_id
    left join share_units
        on
            executions.instrument_id = share_units.instrument_id
            and executions.executed_at >= share_units.effective_at
            and executions.executed_at < share_units.effective_until
),

-- All units bought stand in one line, all units sold in another, each in the order of time. What
-- was closed before a restart is before the beginning of both.
in_line as (
    select
        fill_no,
        position_no,
        side,
        units,
        unit_step,
        sum(units) over (
            partition by position_no, side
            order by fill_no
            rows between unbounded preceding and current row
        ) - coalesce(sum(units - held_units) over (partition by position_no, side), 0)
            as until_unit
    from fills
),

-- Where units are rounded, it is the place in the line that is; everyone has one step at least.
stepped as (
    select
        *,
        row_number() over (partition by position_no, side order by fill_no) * unit_step
            as least_until_unit,
        until_unit + cast(unit_step / 2 as decimal(38, 18)) as next_until_unit
    from in_line
    where unit_step is not null
),

rounded as (
    select
        fill_no,
        position_no,
        side,
        least_until_unit
        + max(greatest(next_until_unit - next_until_unit % unit_step, unit_step) - least_until_unit)
            over (
                partition by position_no, side
                order by fill_no
                rows between unbounded preceding and current row
            ) as until_unit
    from stepped
),

lined_up as (
    select
        fill_no,
        position_no,
        side,
        until_unit - units as from_unit,
        units
    from in_line
    where unit_step is null
    union all
    select
        fill_no,
        position_no,
        side,
        lag(until_unit, 1, 0) over line as from_unit,
        until_unit - lag(until_unit, 1, 0) over line as units
    from rounded
    window line as (partition by position_no, side order by fill_no)
),

bounds as (
    select
        position_no,
        from_unit as unit,
        case when side = 'buy' then fill_no end as buy_no,
        case when side = 'sell' then fill_no end as sell_no
    from lined_up
    union all
    select
        position_no,
        max(from_unit + units) as unit,
        case when side = 'buy' then 0 end as buy_no,
        case when side = 'sell' then 0 end as sell_no
    from lined_up
    group by position_no, side
    union all
    select
        position_no,
        0 as unit,
        null as buy_no,
        null as sell_no
    from positions
),

distinct_bounds as (
    select
        position_no,
        unit,
        max(buy_no) as buy_no,
        max(sell_no) as sell_no
    from bounds
    group by all
),

-- Between two bounds, the units of one buy meet those of one sale: the first to come opened them.
-- Beyond the end of the shorter line they are still open.
met as (
    select
        position_no,
        unit as from_unit,
        lead(unit) over line as until_unit,
        nullif(last_value(buy_no ignore nulls) over line, 0) as buy_no,
        nullif(last_value(sell_no ignore nulls) over line, 0) as sell_no
    from distinct_bounds
    window line as (partition by position_no order by unit)
),

lots as (
    select
        from_unit,
        until_unit,
        until_unit - from_unit as units,
        least(buy_no, sell_no) as opening_no,
        case when buy_no is not null and sell_no is not null then greatest(buy_no, sell_no) end
            as closing_no
    from met
    where until_unit is not null and from_unit >= 0
),

opening_and_closing as (
    select
        opening.account_id,
        opening.strategy,
        opening.instrument_id,
        opening.asset_class,
        opening.symbol,
        opening.side,
        opening.quote_currency,
        opening.base_currency,
        {%- for side in ['opening', 'closing'] %}
        {{ side }}.execution_id as {{ side }}_execution_id,
        {{ side }}.decision_id as {{ side }}_decision_id,
        {{ side }}.executed_at as {{ side }}_at,
        {{ side }}.price as {{ side }}_price,
        {{ side }}.currency_rate as {{ side }}_rate,
        {{ side }}.units_per_share as {{ side }}_units_per_share,
        {{ side }}.gross_amount_base as {{ side }}_amount,
        {{ side }}.fee_base as {{ side }}_fee,
        {{ side }}_line.units as {{ side }}_units,
        lots.from_unit - {{ side }}_line.from_unit as {{ side }}_from,
        lots.until_unit - {{ side }}_line.from_unit as {{ side }}_until,
        {%- endfor %}
        lots.units
    from lots
    inner join fills as opening on lots.opening_no = opening.fill_no
    inner join lined_up as opening_line on lots.opening_no = opening_line.fill_no
    left join fills as closing on lots.closing_no = closing.fill_no
    left join lined_up as closing_line on lots.closing_no = closing_line.fill_no
),

sized as (
    select
        *,
        cast(closing_price as double) * cast(opening_units_per_share as double)
            as closing_price_size
    from opening_and_closing
),

in_shares as (
    select
        {%- for side in ['opening', 'closing'] %}
        {{ exact_quotient(side ~ '_from', side ~ '_units_per_share') }} as {{ side }}_from_shares,
        {{ exact_quotient(side ~ '_until', side ~ '_units_per_share') }}
            as {{ side }}_until_shares,
        {%- endfor %}
        case
            when closing_price_size < 5e19
                then {{ exact_product('closing_price', 'opening_units_per_share') }}
        end as closing_price_units,
        *
    from sized
),

final as (
    select
        {{ surrogate_key([
            'account_id', 'instrument_id', 'opening_execution_id', 'closing_execution_id',
        ]) }} as lot_id,
        account_id,
        strategy,
        instrument_id,
        asset_class,
        symbol,
        case side when 'buy' then 'long' else 'short' end as direction,
        opening_execution_id,
        closing_execution_id,
        opening_decision_id,
        closing_decision_id,
        opening_at as opened_at,
        closing_at as closed_at,
        quote_currency,
        base_currency,
        units,
        opening_units_per_share as units_per_share,
        opening_price as entry_price,
        -- Beyond what a decimal holds, a price has the digits of a double.
        case
            when closing_units_per_share = opening_units_per_share then closing_price
            when closing_price_units is not null
                then {{ exact_quotient('closing_price_units', 'closing_units_per_share') }}
            when closing_price_size is not null
                then cast(
                        least(closing_price_size / cast(closing_units_per_share as double), 1e19)
                        as decimal(38, 18)
                    )
        end as exit_price,
        {{ amount_of_part('opening_until', 'opening') }}
        - {{ amount_of_part('opening_from', 'opening') }} as entry_amount_base,
        case
            when closing_execution_id is not null
                then {{ amount_of_part('closing_until', 'closing') }}
                    - {{ amount_of_part('closing_from', 'closing') }}
        end as exit_amount_base,
        {{ share_of('opening_fee', 'opening_until', 'opening_units') }}
        - {{ share_of('opening_fee', 'opening_from', 'opening_units') }} as entry_fee_base,
        coalesce(
            {{ share_of('closing_fee', 'closing_until', 'closing_units') }}
            - {{ share_of('closing_fee', 'closing_from', 'closing_units') }},
            0
        ) as exit_fee_base
    from in_shares
)

select * from final
