{% macro drawdown(log_growth, window) -%}
    {#-
        How far below its highest value so far, or below where it began, a compounded series is: 0 at a
        peak, -1 when all is lost. As `to_drawdown_series` of quantstats. `log_growth` are exact sums
        of `log_of_growth`, so that the peak is compared with itself without rounding.
    -#}
    exp(cast(
        {{ log_growth }} - greatest(max({{ log_growth }}) over {{ window }}, 0) as double
    )) - 1
{%- endmacro %}


{% macro log_of_growth(value) -%}
    {#-
        Logarithm of what becomes of one unit at a return, as a decimal: its sums do not depend on
        order. All lost is as good as lost: e^-700 of it is left.
    -#}
    case
        when {{ value }} > -1 then cast(greatest(ln(1 + {{ value }}), -700) as decimal(38, 20))
        when {{ value }} <= -1 then -700
    end
{%- endmacro %}
