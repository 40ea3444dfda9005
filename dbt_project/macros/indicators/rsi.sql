{% macro rsi(average_gain, average_loss, period) -%}
    {#- Relative strength index, 0 to 100, of Wilder averages of gains and losses; 0 for a flat series. -#}
    {{ from_bar(period, share_of_100(average_gain, average_gain ~ ' + ' ~ average_loss)) }}
{%- endmacro %}


{% macro share_of_100(part, whole) -%}
    {#- `part` in percent of `whole`; 0 where there is nothing to share. -#}
    case when {{ whole }} > 0 then 100.0e0 * ({{ part }}) / ({{ whole }}) else 0.0e0 end
{%- endmacro %}
