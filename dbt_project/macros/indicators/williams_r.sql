{% macro williams_r(close, highest, lowest, period) -%}
    {#- Williams %R: -100 (close at the lowest low) to 0 (at the highest high); 0 without a range. -#}
    {{ from_bar(period - 1, '-(' ~ share_of_100(highest ~ ' - ' ~ close, highest ~ ' - ' ~ lowest) ~ ')') }}
{%- endmacro %}
