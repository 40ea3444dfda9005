{#-
    The core of every indicator that remembers: y = y + rate * (x - y) for an average, y = y + x - rate * y
    for a sum, seeded as TA-Lib seeds it. `ema`, `wilder_average`, `wilder_sum` and `running_sum` below say
    which; `exponential_averages` computes any number of them over one pass of the bars.
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


{% macro running_sum(name, value) %}
    {#- The sum of everything from the first bar on. -#}
    {% do return(recurrence(name, value, 0, 0, 0, is_sum=true)) %}
{% endmacro %}


{% macro recurrence(name, value, rate, seed_from, seed_length, is_sum=false) %}
    {#-
        `value` is a column of the bars that is never NULL; in a dependent average, SQL over the
        averages it depends on.
    -#}
    {% do return({
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


{% macro exponential_averages(bars, averages, dependent_averages=[], resumed=none) %}
    {#-
        Common table expressions, the last of which is `averaged`: series_no, bar_no and one column per
        average. To be placed in a `with recursive`.

        bars                a relation of series_no, bar_no (from 0), first_bar_no (the series' first bar to
                            compute) and what the values refer to; earlier bars are left out
        averages            of `ema`, `wilder_average`, `wilder_sum`, `running_sum`
        dependent_averages  the same, of values that refer to `averages`; a NULL leaves one as it was
        resumed             a relation of series_no and one column per average, its value at the bar
                            before first_bar_no; series without a row there begin at bar 0
    -#}
    {{ adapter.dispatch('exponential_averages', 'tapehouse')(
        bars, averages, dependent_averages, resumed
    ) }}
{% endmacro %}


{% macro advanced(average, value, previous) -%}
    {#- One step: seeds accumulate, then the recurrence runs. -#}
    case
        when bars.bar_no > {{ average.seed_to }}
            then {{ previous }}
            {%- if average.is_sum %} - {{ double(average.rate) }} * {{ previous }} + {{ value }}
            {%- else %} + {{ double(average.rate) }} * ({{ value }} - {{ previous }}){% endif %}
        when bars.bar_no >= {{ average.seed_from }}
            then {{ previous }} + {{ double(average.seed_weight) }} * {{ value }}
        else {{ previous }}
    end
{%- endmacro %}


{% macro duckdb__exponential_averages(bars, averages, dependent_averages, resumed) %}
    {#-
        One recursion that carries every average at once, a row per bar. A step costs about 80 µs however
        few rows it moves, so a long series is cut into chains that run side by side.

        A chain starts from the exact averages at its first bar: they are linear, so a block of bars maps
        y to keep^n * y + (the block's own weighted sum), and blocks compose. Dependent averages are not
        linear in the bars; they warm up on the block before the chain, after which what they began
        with weighs less than 1e-16 for periods up to 14.
    -#}
    {%- set block = 512 -%}
    {%- set chain = 2048 -%}
    {%- set rates = averages | map(attribute='rate') | unique | list %}
placed_bars as (
    select
        *,
        bar_no - first_bar_no as place
    from {{ bars }}
    where bar_no >= first_bar_no
),

series_spans as (
    select
        series_no,
        min(first_bar_no) as first_bar_no,
        max(place) // {{ chain }} as last_chain
    from placed_bars
    group by series_no
),

start_averages as (
    select
        series_spans.series_no,
        series_spans.last_chain,
        {%- for average in averages + dependent_averages %}
        {% if resumed %}coalesce(resumed.{{ average.name }}, 0.0e0){% else %}0.0e0{% endif %} as {{ average.name }}
        {{- ',' if not loop.last }}
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
block_sums as materialized (
    select
        placed.series_no,
        placed.place // {{ block }} as block_no,
        {%- for average in averages %}
        {%- set kept = 'kept_shares.kept_' ~ rates.index(average.rate) %}
        sum(
            placed.{{ average.value }} * case
                when placed.bar_no > {{ average.seed_to }} then {{ double(average.weight) }} * {{ kept }}
                when placed.bar_no >= {{ average.seed_from }}
                    then {{ double(average.seed_weight * (1 - average.rate) ** (block - 1 - [average.seed_to, 0] | max)) }}
                else 0.0e0
            end
        ) as {{ average.name }}{{ ',' if not loop.last }}
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
        {{ averages | map(attribute='name') | join(', ') }}
    from start_averages
    where last_chain > 0
    union all
    select
        block_sums.series_no,
        block_sums.block_no,
        {%- for average in averages %}
        block_ends.{{ average.name }} * {{ double((1 - average.rate) ** block) }}
            + block_sums.{{ average.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from block_ends
    inner join block_sums
        on
            block_ends.series_no = block_sums.series_no
            and block_ends.block_no + 1 = block_sums.block_no
),

-- A chain's first bars, at steps 0 to {{ block - 1 }}, are the last block of the chain before it.
chain_starts as (
    select
        series_no,
        cast(0 as bigint) as chain_no,
        cast({{ block - 1 }} as bigint) as step,
        {{ (averages + dependent_averages) | map(attribute='name') | join(', ') }}
    from start_averages
    union all
    select
        series_no,
        (block_no + 2) // {{ chain // block }} as chain_no,
        cast(-1 as bigint) as step,
        {{ averages | map(attribute='name') | join(', ') }}
        {%- for average in dependent_averages %},
        0.0e0 as {{ average.name }}
        {%- endfor %}
    from block_ends
    where (block_no + 2) % {{ chain // block }} = 0
),

chain_bars as materialized (
    select
        * exclude (first_bar_no, place),
        place // {{ chain }} as chain_no,
        place % {{ chain }} + {{ block }} as step
    from placed_bars
    union all
    select
        * exclude (first_bar_no, place),
        place // {{ chain }} + 1 as chain_no,
        place % {{ chain }} - {{ chain - block }} as step
    from placed_bars
    where place % {{ chain }} >= {{ chain - block }}
),

chain_steps as (
    select
        series_no,
        chain_no,
        step,
        cast(-1 as bigint) as bar_no,
        {{ (averages + dependent_averages) | map(attribute='name') | join(', ') }}
    from chain_starts
    union all
    select
        bars.series_no,
        bars.chain_no,
        bars.step,
        bars.bar_no
        {%- for average in averages %},
        bars.{{ average.name }}
        {%- endfor %}
        {%- for average in dependent_averages %},
        case
            when {{ average.value }} is null then bars.previous_{{ average.name }}
            else {{ advanced(average, '(' ~ average.value ~ ')', 'bars.previous_' ~ average.name) | indent(8) }}
        end
        {%- endfor %}
    from (
        select
            bars.series_no,
            bars.chain_no,
            bars.step,
            bars.bar_no
            {%- for average in averages %},
            {{ advanced(average, 'bars.' ~ average.value, 'earlier.' ~ average.name) | indent(8) }} as {{ average.name }}
            {%- endfor %}
            {%- for average in dependent_averages %},
            earlier.{{ average.name }} as previous_{{ average.name }}
            {%- endfor %}
        from chain_steps as earlier
        inner join chain_bars as bars
            on
                earlier.series_no = bars.series_no
                and earlier.chain_no = bars.chain_no
                and earlier.step + 1 = bars.step
    ) as bars
),

averaged as (
    select
        series_no,
        bar_no,
        {{ (averages + dependent_averages) | map(attribute='name') | join(', ') }}
    from chain_steps
    where step >= {{ block }}
)
{%- endmacro %}


{% macro default__exponential_averages(bars, averages, dependent_averages, resumed) %}
    {#-
        Window functions only, for engines without (fast) recursion. An average is a weighted sum of all
        bars before; weights are relative to a block's start, as they would overflow over a whole series.
        Two sets of blocks, half a block apart, take turns: the one is read whose block began at
        least half a block ago, when what is before it weighs less than 1e-16.
    -#}
placed_bars as (
    select
        *,
        bar_no - first_bar_no as place
    from {{ bars }}
    where bar_no >= first_bar_no
),

averaged_bars as (
    {{ windowed_averages('placed_bars', averages, resumed) | indent(4) }}
),

valued_averages as (
    select
        *,
        {%- for average in dependent_averages %}
        coalesce({{ average.value }}, 0) as value_of_{{ average.name }}{{ ',' if not loop.last }}
        {%- else %}
        null as no_value
        {%- endfor %}
    from averaged_bars
),
{%- set of_values = [] %}
{%- for average in dependent_averages %}
    {%- do of_values.append(dict(average, value='value_of_' ~ average.name)) %}
{%- endfor %}

averaged as (
    select
        series_no,
        bar_no,
        {{ (averages + dependent_averages) | map(attribute='name') | join(', ') }}
    from (
        {{ windowed_averages('valued_averages', of_values, resumed) | indent(8) }}
    ) as averaged_twice
)
{%- endmacro %}


{% macro windowed_averages(bars, averages, resumed) %}
select
    bars.*
    {%- for average in averages %}
    {%- set half = half_block(average.rate) | trim | int %}
    {%- set kept = 1 - average.rate %},
    {%- set weighted %}bars.{{ average.value }} * case
        when bars.bar_no > {{ average.seed_to }} then {{ double(average.weight) }}
            * pow({{ double(kept) }}, -(bars.place - %s))
        when bars.bar_no >= {{ average.seed_from }}
            then {{ double(average.seed_weight) }} * pow({{ double(kept) }}, %s - {{ average.seed_to }})
        else 0.0e0
    end{% endset %}
    {%- for shift in [0, half] %}
        {%- set start = '((bars.place + ' ~ shift ~ ') // ' ~ 2 * half ~ ' * ' ~ 2 * half ~ ' - ' ~ shift ~ ')' %}
        {%- if loop.first %}
    case
        when bars.place < {{ half }} or bars.place % {{ 2 * half }} >= {{ half }} then
        {%- else %}
        else
        {%- endif %}
            pow({{ double(kept) }}, greatest(bars.place, {{ average.seed_to }} - bars.first_bar_no) - {{ start }}) * sum({{ weighted | replace('%s', start) }}) over (
                partition by bars.series_no, (bars.place + {{ shift }}) // {{ 2 * half }}
                order by bars.bar_no rows unbounded preceding
            )
    {%- endfor %}
    end
    {%- if resumed %}
    + coalesce(resumed.{{ average.name }} * pow({{ double(kept) }}, bars.place + 1), 0.0e0)
    {%- endif %} as {{ average.name }}
    {%- endfor %}
from {{ bars }} as bars
{%- if resumed %}
left join {{ resumed }} as resumed on bars.series_no = resumed.series_no
{%- endif %}
{%- endmacro %}


{% macro half_block(rate) -%}
    {#- The power of two of bars after which less than 1e-16 is kept; for a running sum, all there are. -#}
    {%- set half = namespace(bars=64) -%}
    {%- for _ in range(40) if rate == 0 or (1 - rate) ** half.bars > 1e-16 -%}
        {%- set half.bars = half.bars * 2 -%}
    {%- endfor -%}
    {{ half.bars }}
{%- endmacro %}
