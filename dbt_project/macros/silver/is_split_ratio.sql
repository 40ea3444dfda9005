{% macro is_split_ratio(ratio) -%}
    {#-
        Whether shares could have been split so: into fewer, or by a ratio of whole numbers of which the
        lesser is at most 20, as sent with four decimals. Vendors give spin-offs as splits by the price
        that goes with the other company, such as 1.0460, which no split is.
    -#}
    (
        {{ ratio }} <= 1
        or len(list_filter(
            range(1, 21),
            lambda shares: abs({{ ratio }} * shares - round({{ ratio }} * shares)) <= 5e-5 * shares
        )) > 0
    )
{%- endmacro %}
