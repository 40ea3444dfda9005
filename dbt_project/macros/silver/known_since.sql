{% macro is_confirmed_by(version, confirmation) %}
    {#- Whether a bar belongs to the answer that a later one confirms: to one question, as a whole. -#}
    {{ version }}._batch_id = {{ confirmation }}.confirms_batch_id
            and {{ version }}._symbol = {{ confirmation }}.symbol
            and {{ version }}.timeframe = {{ confirmation }}.timeframe
            and {{ version }}.bar_start_at >= {{ confirmation }}.start_at
            and {{ version }}.bar_start_at < {{ confirmation }}.end_at
{%- endmacro %}


{% macro known_since(tellings) %}
    {#-
        The CTE `known_versions`: the versions of bars, each with `known_at`, since when its provider
        has said so without saying otherwise between, and `is_first`, whether that was the first that
        anyone said of the bar. Open and final bars are told apart. `tellings` has each version as often
        as it was told: at `told_at`, and for the last time at `said_at`.
    -#}
telling_runs as (
    select
        *,
        told_at >= settles_at as was_final,
        lag(bar_values) over told as previous_bar_values
    from {{ tellings }}
    window told as (
        partition by instrument_id, timeframe, bar_start_at, provider, told_at >= settles_at
        order by told_at asc, _fetched_at asc, _batch_id asc, _row asc
    )
),

dated_tellings as (
    select
        *,
        max(told_at) filter (where bar_values is distinct from previous_bar_values)
            over told as known_at,
        min(told_at) over (partition by instrument_id, timeframe, bar_start_at, was_final)
            as first_told_at
    from telling_runs
    window told as (
        partition by instrument_id, timeframe, bar_start_at, provider, was_final
        order by told_at asc, _fetched_at asc, _batch_id asc, _row asc
        rows between unbounded preceding and current row
    )
),

known_versions as (
    select
        * exclude (told_at, was_final, previous_bar_values, first_told_at),
        known_at = first_told_at as is_first
    from dated_tellings
    where told_at = said_at
)
{%- endmacro %}
