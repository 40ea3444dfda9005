{% macro var_historical(value, tail) -%}
    {#-
        The return that a share `tail` of all returns are below, between two of them by
        linear interpolation: negative for a loss. As `value_at_risk` of empyrical (numpy's percentile).
    -#}
    quantile_cont({{ value }}, {{ tail }})
{%- endmacro %}


{% macro cvar_historical(value, var_historical, order_by) -%}
    {#-
        Mean of the returns that are no better than the historical value at risk. As `cvar` of
        quantstats with method `historical`; empyrical's takes a fixed number of the worst returns.
    -#}
    avg({{ value }} order by {{ order_by }}) filter (where {{ value }} <= {{ var_historical }})
{%- endmacro %}


{% macro var_parametric_95(value, order_by) -%}
    {#-
        The 5 % quantile of a normal distribution with the mean and the standard deviation (sample) of
        the returns. As `value_at_risk` of quantstats.
    -#}
    avg({{ value }} order by {{ order_by }})
    - 1.6448536269514722e0 * stddev_samp({{ value }} order by {{ order_by }})
{%- endmacro %}
