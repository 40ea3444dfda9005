{% macro annualized_return(total_return, return_count, periods_per_year) -%}
    {#-
        Compound annual growth rate: (1 + total return) ^ (periods per year / periods) - 1. As `cagr` of
        quantstats and `annual_return` of empyrical. NULL without a period, and where a few good days,
        taken for a year, are more than a number can hold.
    -#}
    case
        when
            {{ return_count }} > 0
            and ln(greatest(1 + {{ total_return }}, 1))
            * {{ periods_per_year }} / nullif({{ return_count }}, 0) < 700
            then pow(
                1 + {{ total_return }}, cast({{ periods_per_year }} as double) / {{ return_count }}
            ) - 1
    end
{%- endmacro %}
