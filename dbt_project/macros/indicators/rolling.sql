{% macro rolling(aggregate, period, partition_by, order_by) -%}
    {#- An aggregate over the last `period` bars, this one included: 20 bars are 19 preceding. -#}
    {% if period < 1 %}
        {{ exceptions.raise_compiler_error('A rolling window needs a period of at least 1 bar, not ' ~ period ~ '.') }}
    {% endif %}
    {{- aggregate }} over (
        partition by {{ partition_by }} order by {{ order_by }}
        rows between {{ period - 1 }} preceding and current row
    )
{%- endmacro %}


{% macro earlier(value, bars, partition_by, order_by) -%}
    {#- The value `bars` bars ago. -#}
    lag({{ value }}, {{ bars }}) over (partition by {{ partition_by }} order by {{ order_by }})
{%- endmacro %}


{% macro from_bar(first, value, bar_no='bar_no') -%}
    {#- NULL while warming up: `value` from bar number `first` on, counting from 0. -#}
    case when {{ bar_no }} >= {{ first }} then {{ value }} end
{%- endmacro %}


{% macro same(a, b) -%}
    {#- Whether two numbers differ by no more than rounding, as TA-Lib 0.8 takes it. -#}
    abs({{ a }} - ({{ b }})) <= 1e-14 * (abs({{ a }}) + abs({{ b }}))
{%- endmacro %}
