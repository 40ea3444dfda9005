{#-
    The core of every indicator that remembers: y = y + rate * (x - y) for an average, y = y + x - rate * y
    for a smoothed sum, both seeded as TA-Lib seeds them; plain sums and maxima so far. `ema`,
    `wilder_average`, `wilder_sum`, `running_sum` and `running_max` below say which; `running_states`
    computes any number of them in one pass over the bars.
-#}

{% macro ema(name, value, period, seed_from=0) %}
    {#- Exponential average with rate 2 / (period + 1), seeded with the mean of `period` values. -#}
    {% do return(recurrence(name, value, 2 / (period + 1), seed_from, period)) %}
{% endmacro %}


{% macro wilder_average(name, value, period, seed_from=1) %}
    {#- Wilder's smoothing (rate 1 / period), seeded with the mean of `period` values. -#}
    {% do return(recurrence(name, value, 1 / period, seed_from, period)) %}
{% endmacro %}


{% macro wilder_sum(name, value, period) %}
    {#- Wilder's smoothed sum, seeded with the sum of bars 1 to `period` - 1 as TA-Lib's DI is. -#}
    {% do return(recurrence(name, value, 1 / period, 1, period - 1, is_sum=true)) %}
{% endmacro %}


{% macro running_sum(name, value, since=none) %}
    {#- The sum of everything so far; with `since`, of all bars that have the same in that column. -#}
    {% if since is none %}
        {% do return(recurrence(name, value, 0, 0, 0, is_sum=true)) %}
    {% endif %}
    {% do return({'kind': 'since', 'name': name, 'value': value, 'since': since}) %}
{% endmacro %}


{% macro running_max(name, value) %}
    {#- The greatest so far. -#}
    {% do return({'kind': 'max', 'name': name, 'value': value}) %}
{% endmacro %}


{% macro recurrence(name, value, rate, seed_from, seed_length, is_sum=false) %}
    {#-
        `value` is a column of the bars that is never NULL; in a dependent state, SQL over the states it
        depends on.
    -#}
    {% do return({
        'kind': 'linear',
        'name': name,
        'value': value,
        'rate': rate,
        'is_sum': is_sum,
        'seed_from': seed_from,
        'seed_to': seed_from + seed_length - 1,
        'seed_weight': 1 if is_sum else 1 / seed_length,
        'weight': 1 if is_sum else rate,
    }) %}
{% endmacro %}


{% macro double(number) -%}
    {#- A number as a DOUBLE literal: `0.1` alone would be a DECIMAL, slower and perhaps another number. -#}
    {{ '%.16e' | format(number) }}
{%- endmacro %}


{% macro running_states(bars, states, dependent_states=[], resumed=none) %}
    {#-
        Common table expressions, the last of which is `states`: series_no, place and one column per state.
        To be placed in a `with recursive`.

        bars              a relation of series_no, bar_no (from 0), place (from 0, at the series' first bar
                          to compute) and what the values refer to; bars before place 0 are left out
        states            of `ema`, `wilder_average`, `wilder_sum`, `running_sum`, `running_max`
        dependent_states  averages of values that refer to `states`; a NULL leaves one as it was
        resumed           a relation of series_no, one column per state, its value at the bar before place
                          0, and that bar's `since` columns; series without a row there begin at bar 0
    -#}
    {{ adapter.dispatch('running_states', 'tapehouse')(bars, states, dependent_states, resumed) }}
{% endmacro %}


{% macro advanced(state, value, previous) -%}
    {#- One step: seeds accumulate, then the recurrence runs. -#}
    {%- if state.kind == 'max' -%}
    greatest({{ previous }}, {{ value }})
    {%- elif state.kind == 'since' -%}
    case when bars.{{ state.since }} = earlier.{{ state.since }} then {{ previous }} else 0.0e0 end + {{ value }}
    {%- else -%}
    case
        when bars.bar_no > {{ state.seed_to }}
            then {{ previous }}
            {%- if state.is_sum %} - {{ double(state.rate) }} * {{ previous }} + {{ value }}
            {%- else %} + {{ double(state.rate) }} * ({{ value }} - {{ previous }}){% endif %}
        when bars.bar_no >= {{ state.seed_from }}
            then {{ previous }} + {{ double(state.seed_weight) }} * {{ value }}
        else {{ previous }}
    end
    {%- endif -%}
{%- endmacro %}


{% macro duckdb__running_states(bars, states, dependent_states, resumed) %}
    {#-
        One recursion that carries every state at once, a row per bar. A step costs about 80 µs however few
        rows it moves, so a long series is cut into chains that run side by side.

        A chain starts from the exact states at its first bar. Averages and sums are linear, so a block of
        bars maps y to keep^n * y + (the block's own weighted sum), and blocks compose. Dependent states
        are not linear in the bars; they warm up on the block before the chain, after which what they
        began with weighs less than 1e-16 for periods up to 14.
    -#}
    {%- set block = 512 -%}
    {%- set chain = 2048 -%}
    {%- set linear = states | selectattr('kind', 'equalto', 'linear') | list -%}
    {%- set maxima = states | selectattr('kind', 'equalto', 'max') | list -%}
    {%- set since_sums = states | selectattr('kind', 'equalto', 'since') | list -%}
    {%- set sinces = since_sums | map(attribute='since') | unique | list -%}
    {%- set rates = linear | map(attribute='rate') | unique | list -%}
    {%- set states = linear + maxima + since_sums -%}
    {%- set in_blocks = (linear + maxima) | map(attribute='name') | list -%}
    {%- set carried = (states + dependent_states) | map(attribute='name') | list + sinces %}
placed_bars as (
    select * from {{ bars }}
    where place >= 0
),

-- What nothing lies below is where a maximum starts.
series_spans as (
    select
        series_no,
        {%- for state in maxima %}
        min({{ state.value }}) as {{ state.name }},
        {%- endfor %}
        {%- for since in sinces %}
        min({{ since }}) as {{ since }},
        {%- endfor %}
        max(place) // {{ chain }} as last_chain
    from placed_bars
    group by series_no
),

start_states as (
    select
        series_spans.series_no,
        series_spans.last_chain,
        {%- for state in linear + since_sums + dependent_states %}
        {% if resumed %}coalesce(resumed.{{ state.name }}, 0.0e0){% else %}0.0e0{% endif %} as {{ state.name }},
        {%- endfor %}
        {%- for column in maxima | map(attribute='name') | list + sinces %}
        {% if resumed %}coalesce(resumed.{{ column }}, series_spans.{{ column }}){% else %}series_spans.{{ column }}{% endif %} as {{ column }},
        {%- endfor %}
    from series_spans
    {%- if resumed %}
    left join {{ resumed }} as resumed on series_spans.series_no = resumed.series_no
    {%- endif %}
),

kept_shares as (
    select
        steps,
        {%- for rate in rates %}
        pow({{ double(1 - rate) }}, steps) as kept_{{ loop.index0 }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (select unnest(range({{ block + 1 }})) as steps)
),

-- Recursions read it once per step.
block_states as materialized (
    select
        placed.series_no,
        placed.place // {{ block }} as block_no,
        {%- for state in linear %}
        {%- set kept = 'kept_shares.kept_' ~ rates.index(state.rate) %}
        sum(
            placed.{{ state.value }} * case
                when placed.bar_no > {{ state.seed_to }} then {{ double(state.weight) }} * {{ kept }}
                when placed.bar_no >= {{ state.seed_from }}
                    then {{ double(state.seed_weight * (1 - state.rate) ** (block - 1 - [state.seed_to, 0] | max)) }}
                else 0.0e0
            end
        ) as {{ state.name }},
        {%- endfor %}
        {%- for state in maxima %}
        max(placed.{{ state.value }}) as {{ state.name }},
        {%- endfor %}
    from placed_bars as placed
    inner join series_spans on placed.series_no = series_spans.series_no
    inner join kept_shares
        on {{ block - 1 }} - placed.place % {{ block }} = kept_shares.steps
    where placed.place < series_spans.last_chain * {{ chain }} - {{ block }}
    group by all
),

block_ends as (
    select
        series_no,
        cast(-1 as bigint) as block_no,
        {{ in_blocks | join(', ') }}
    from start_states
    where last_chain > 0
    union all
    select
        block_states.series_no,
        block_states.block_no,
        {%- for state in linear %}
        block_ends.{{ state.name }} * {{ double((1 - state.rate) ** block) }}
            + block_states.{{ state.name }},
        {%- endfor %}
        {%- for state in maxima %}
        greatest(block_ends.{{ state.name }}, block_states.{{ state.name }}),
        {%- endfor %}
    from block_ends
    inner join block_states
        on
            block_ends.series_no = block_states.series_no
            and block_ends.block_no + 1 = block_states.block_no
),

chain_ends as (
    select
        *,
        (block_no + 2) // {{ chain // block }} as chain_no,
        (block_no + 1) * {{ block }} - 1 as place
    from block_ends
    where (block_no + 2) % {{ chain // block }} = 0
),
{% for since in sinces %}

-- Few rows, to be found before they meet all others.
chain_ends_by_{{ since }} as materialized (
    select
        chain_ends.series_no,
        chain_ends.chain_no,
        chain_ends.place,
        placed_bars.{{ since }}
    from chain_ends
    inner join placed_bars
        on chain_ends.series_no = placed_bars.series_no and chain_ends.place = placed_bars.place
),

sums_since_{{ since }} as (
    select
        chain_ends.series_no,
        chain_ends.chain_no,
        chain_ends.{{ since }},
        {%- for state in since_sums if state.since == since %}
        sum(placed_bars.{{ state.value }})
            + max(case when start_states.{{ since }} = chain_ends.{{ since }} then start_states.{{ state.name }} else 0.0e0 end)
            as {{ state.name }},
        {%- endfor %}
    from chain_ends_by_{{ since }} as chain_ends
    inner join start_states on chain_ends.series_no = start_states.series_no
    inner join placed_bars
        on
            chain_ends.series_no = placed_bars.series_no
            and chain_ends.{{ since }} = placed_bars.{{ since }}
            and chain_ends.place >= placed_bars.place
    group by all
),
{%- endfor %}

-- A chain's first bars, at steps 0 to {{ block - 1 }}, are the last block of the chain before it.
chain_starts as (
    select
        {{ chain_step('series_no', 0, block - 1) }} as chain_step,
        {{ carried | join(', ') }}
    from start_states
    union all
    select
        {{ chain_step('chain_ends.series_no', 'chain_ends.chain_no', -1) }} as chain_step,
        {%- for name in in_blocks %}
        chain_ends.{{ name }},
        {%- endfor %}
        {%- for state in since_sums %}
        sums_since_{{ state.since }}.{{ state.name }},
        {%- endfor %}
        {%- for state in dependent_states %}
        0.0e0 as {{ state.name }},
        {%- endfor %}
        {%- for since in sinces %}
        sums_since_{{ since }}.{{ since }},
        {%- endfor %}
    from chain_ends
    {%- for since in sinces %}
    inner join sums_since_{{ since }}
        on
            chain_ends.series_no = sums_since_{{ since }}.series_no
            and chain_ends.chain_no = sums_since_{{ since }}.chain_no
    {%- endfor %}
),

chain_bars as materialized (
    select
        *,
        {{ chain_step('series_no', 'place // ' ~ chain, 'place % ' ~ chain ~ ' + ' ~ block) }} as chain_step
    from placed_bars
    union all
    select
        *,
        {{ chain_step('series_no', 'place // ' ~ chain ~ ' + 1', 'place % ' ~ chain ~ ' - ' ~ (chain - block)) }}
            as chain_step
    from placed_bars
    where place % {{ chain }} >= {{ chain - block }}
),

chain_steps as (
    select
        chain_step,
        {{ carried | join(', ') }}
    from chain_starts
    union all
    select
        bars.chain_step,
        {%- for state in states %}
        bars.{{ state.name }},
        {%- endfor %}
        {%- for state in dependent_states %}
        case
            when {{ state.value }} is null then bars.previous_{{ state.name }}
            else {{ advanced(state, '(' ~ state.value ~ ')', 'bars.previous_' ~ state.name) | indent(8) }}
        end,
        {%- endfor %}
        {%- for since in sinces %}
        bars.{{ since }},
        {%- endfor %}
    from (
        select
            bars.chain_step,
            bars.bar_no,
            {%- for state in states %}
            {{ advanced(state, 'bars.' ~ state.value, 'earlier.' ~ state.name) | indent(8) }} as {{ state.name }},
            {%- endfor %}
            {%- for state in dependent_states %}
            earlier.{{ state.name }} as previous_{{ state.name }},
            {%- endfor %}
            {%- for since in sinces %}
            bars.{{ since }},
            {%- endfor %}
        from chain_steps as earlier
        inner join chain_bars as bars on earlier.chain_step + 1 = bars.chain_step
    ) as bars
),

states as materialized (
    select
        chain_step // {{ 2 ** 32 }} as series_no,
        ((chain_step // {{ 2 ** 12 }}) % {{ 2 ** 20 }}) * {{ chain }} + chain_step % {{ 2 ** 12 }} - {{ block }} as place,
        {{ (states + dependent_states) | map(attribute='name') | join(', ') }}
    from chain_steps
    where chain_step % {{ 2 ** 12 }} between {{ block }} and {{ block + chain - 1 }}
)
{%- endmacro %}


{% macro chain_step(series_no, chain_no, step) -%}
    {#- Series, chain and step in one number: up to 2^20 chains of up to 2^12 steps. -#}
    {{ series_no }} * {{ 2 ** 32 }} + ({{ chain_no }}) * {{ 2 ** 12 }} + ({{ step }})
{%- endmacro %}


{% macro default__running_states(bars, states, dependent_states, resumed) %}
    {#-
        Window functions only, for engines without (fast) recursion. An average is a weighted sum of all
        bars before; weights are relative to a block's start, as they would overflow over a whole series.
        Two sets of blocks, half a block apart, take turns: the one is read whose block began at
        least half a block ago, when what is before it weighs less than 1e-16.
    -#}
placed_bars as (
    select * from {{ bars }}
    where place >= 0
),

states_of_bars as (
    {{ windowed_states('placed_bars', states, resumed) | indent(4) }}
),

valued_states as (
    select
        *
        {%- for state in dependent_states %},
        coalesce({{ state.value }}, 0) as value_of_{{ state.name }}
        {%- endfor %}
    from states_of_bars
),
{%- set of_values = [] %}
{%- for state in dependent_states %}
    {%- do of_values.append(dict(state, value='value_of_' ~ state.name)) %}
{%- endfor %}

states as (
    select
        series_no,
        place,
        {{ (states + dependent_states) | map(attribute='name') | join(', ') }}
    from (
        {{ windowed_states('valued_states', of_values, resumed) | indent(8) }}
    ) as with_dependent_states
)
{%- endmacro %}


{% macro windowed_states(bars, states, resumed) %}
select
    bars.*
    {%- for state in states %},
    {{ {'linear': windowed_linear, 'since': windowed_since, 'max': windowed_max}[state.kind](state, resumed) }}
        as {{ state.name }}
    {%- endfor %}
from {{ bars }} as bars
{%- if resumed %}
left join {{ resumed }} as resumed on bars.series_no = resumed.series_no
{%- endif %}
{%- endmacro %}


{% macro windowed_max(state, resumed) -%}
    {%- set so_far = 'max(bars.' ~ state.value
        ~ ') over (partition by bars.series_no order by bars.bar_no rows unbounded preceding)' -%}
    {{ 'greatest(' ~ so_far ~ ', coalesce(resumed.' ~ state.name ~ ', ' ~ so_far ~ '))' if resumed else so_far }}
{%- endmacro %}


{% macro windowed_since(state, resumed) -%}
    sum(bars.{{ state.value }}) over (
        partition by bars.series_no, bars.{{ state.since }}
        order by bars.bar_no rows unbounded preceding
    )
    {%- if resumed %}
    + case when bars.{{ state.since }} = resumed.{{ state.since }} then resumed.{{ state.name }} else 0.0e0 end
    {%- endif -%}
{%- endmacro %}


{% macro windowed_linear(state, resumed) -%}
    {%- set half = half_block(state.rate) | trim | int -%}
    {%- set kept = 1 - state.rate -%}
    {%- set weighted %}bars.{{ state.value }} * case
        when bars.bar_no > {{ state.seed_to }} then {{ double(state.weight) }}
            * pow({{ double(kept) }}, -(bars.place - %s))
        when bars.bar_no >= {{ state.seed_from }}
            then {{ double(state.seed_weight) }} * pow({{ double(kept) }}, %s - {{ state.seed_to }})
        else 0.0e0
    end{% endset -%}
    {%- for shift in [0, half] -%}
        {%- set start = '((bars.place + ' ~ shift ~ ') // ' ~ 2 * half ~ ' * ' ~ 2 * half ~ ' - ' ~ shift ~ ')' -%}
        {%- if loop.first -%}
    case
        when bars.place < {{ half }} or bars.place % {{ 2 * half }} >= {{ half }} then
        {%- else %}
        else
        {%- endif %}
            pow({{ double(kept) }}, greatest(bars.place, {{ state.seed_to }} - bars.bar_no + bars.place) - {{ start }})
            * sum({{ weighted | replace('%s', start) }}) over (
                partition by bars.series_no, (bars.place + {{ shift }}) // {{ 2 * half }}
                order by bars.bar_no rows unbounded preceding
            )
    {%- endfor %}
    end
    {%- if resumed %}
    + coalesce(resumed.{{ state.name }} * pow({{ double(kept) }}, bars.place + 1), 0.0e0)
    {%- endif -%}
{%- endmacro %}


{% macro half_block(rate) -%}
    {#- The power of two of bars after which less than 1e-16 is kept; for a running sum, all there are. -#}
    {%- set half = namespace(bars=64) -%}
    {%- for _ in range(40) if rate == 0 or (1 - rate) ** half.bars > 1e-16 -%}
        {%- set half.bars = half.bars * 2 -%}
    {%- endfor -%}
    {{ half.bars }}
{%- endmacro %}
