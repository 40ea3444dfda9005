{#-
    What a vendor says of a bar, and when: in an answer, and again in each later one that the ledger
    records as its confirmation.
-#}

{% macro judged_versions(accepted) %}
    {#-
        The CTE `judged`: the records of the CTE `accepted` with `said_at`, the last time that their
        vendor said so, also where it had said otherwise between, what finality and availability follow
        from their lags, and their place among vendors. Reads the CTEs `requests` and `precedence`.
    -#}
confirmations as (
    select
        confirms_batch_id,
        symbol,
        timeframe,
        start_at,
        end_at,
        fetched_at as confirmed_at
    from requests
    where confirms_batch_id is not null
),

confirmed as (
    select
        {{ accepted }}._batch_id,
        {{ accepted }}._row,
        max(confirmations.confirmed_at) as confirmed_at
    from {{ accepted }}
    inner join confirmations on {{ is_confirmed_by(accepted, 'confirmations') }}
    group by all
),

judged as (
    select
        {{ accepted }}.*,
        greatest({{ accepted }}._fetched_at, confirmed.confirmed_at) as said_at,
        {{ accepted }}.bar_end_at + to_seconds(precedence.finality_lag_seconds) as settles_at,
        said_at >= settles_at as is_final,
        {{ accepted }}.bar_end_at + to_seconds(precedence.availability_lag_seconds)
            as regular_available_at,
        precedence.precedence
    from {{ accepted }}
    left join confirmed
        on
            {{ accepted }}._batch_id = confirmed._batch_id
            and {{ accepted }}._row = confirmed._row
    left join precedence
        on
            {{ accepted }}.provider = precedence.provider
            and {{ accepted }}.asset_class = precedence.asset_class
)
{%- endmacro %}


{% macro known_versions(judged, bar_values) %}
    {#-
        The CTE `known_versions`: the versions of `judged` (or of some of its rows), each with
        `known_at`, since when its provider has said so without saying otherwise between, and
        `is_first`, whether that was the first that anyone said of the bar. Open and final bars are
        told apart. `bar_values` is what is said, as one comparable value.
    -#}
tellings as (
    select
        *,
        {{ bar_values }} as bar_values,
        _fetched_at as told_at
    from {{ judged }}
    union all
    select distinct
        {{ judged }}.*,
        {{ bar_values }} as bar_values,
        confirmations.confirmed_at as told_at
    from {{ judged }}
    inner join confirmations
        on
            {{ is_confirmed_by(judged, 'confirmations') }}
            and {{ judged }}._fetched_at < confirmations.confirmed_at
),

telling_runs as (
    select
        *,
        told_at >= settles_at as was_final,
        lag(bar_values) over told as previous_bar_values
    from tellings
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
        * exclude (bar_values, told_at, was_final, previous_bar_values, first_told_at),
        known_at = first_told_at as is_first
    from dated_tellings
    where told_at = said_at
)
{%- endmacro %}


{% macro version_available_at() %}
    {#-
        When a version could be used: the first word on a final bar at its regular time, and what was
        said later, or said again after something else, when it was said.
    -#}
        case
            when not is_final then greatest(known_at, _fetched_at)
            when is_first then regular_available_at
            else greatest(known_at, regular_available_at)
        end
{%- endmacro %}


{% macro is_confirmed_by(version, confirmation) %}
    {#- Whether a bar belongs to the answer that a later one confirms: to one question, as a whole. -#}
    {{ version }}._batch_id = {{ confirmation }}.confirms_batch_id
            and {{ version }}._symbol = {{ confirmation }}.symbol
            and {{ version }}.timeframe = {{ confirmation }}.timeframe
            and {{ version }}.bar_start_at >= {{ confirmation }}.start_at
            and {{ version }}.bar_start_at < {{ confirmation }}.end_at
{%- endmacro %}
