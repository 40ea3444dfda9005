{% macro is_split_ratio(ratio) -%}
    {#-
        Whether shares could have been split so: into fewer, by a ratio of whole numbers of which the
        lesser is at most 20, or by a stock dividend of whole per cents, as sent with four decimals (above
        a quarter, stock dividends are told as splits). Vendors give spin-offs as splits by the price that
        goes with the other company, such as 1.0460, which no split is.
    -#}
    (
        {{ ratio }} <= 1
        or ({{ ratio }} <= 1.25 and abs({{ ratio }} * 100 - round({{ ratio }} * 100)) <= 5e-3)
        or len(list_filter(
            range(1, 21),
            lambda shares: abs({{ ratio }} * shares - round({{ ratio }} * shares)) <= 5e-5 * shares
        )) > 0
    )
{%- endmacro %}


{% macro is_same_ratio(ratio, other) -%}
    {#- Whether two vendors tell of one split: the coarsest send four decimals. -#}
    abs({{ ratio }} - {{ other }}) <= 5.0001e-5
{%- endmacro %}


{% macro is_within_a_session(action, other) -%}
    {#-
        Whether two ex-dates are of one session or of neighbours, or of weekdays where no calendar has
        both. Both relations have `session_no` and `weekday_no`.
    -#}
    abs(
        coalesce(
            {{ action }}.session_no - {{ other }}.session_no,
            {{ action }}.weekday_no - {{ other }}.weekday_no
        )
    ) <= 1
{%- endmacro %}
