{% macro directional_indicator(movement_sum, true_range_sum, period) -%}
    {#- +DI or -DI, 0 to 100: Wilder's sum of directional movement in percent of that of true range. -#}
    {{ from_bar(period, share_of_100(movement_sum, true_range_sum)) }}
{%- endmacro %}


{% macro directional_index(plus_sum, minus_sum) -%}
    {#- DX, 0 to 100, whose Wilder average is ADX; NULL where there is no directional movement. -#}
    100.0e0 * abs({{ plus_sum }} - {{ minus_sum }}) / nullif({{ plus_sum }} + {{ minus_sum }}, 0)
{%- endmacro %}


{% macro plus_movement(high, previous_high, low, previous_low) -%}
    {#- +DM: how far the high rose above the last one, where that is further than the low fell. -#}
    case
        when {{ high }} - {{ previous_high }} > greatest({{ previous_low }} - {{ low }}, 0)
            then {{ high }} - {{ previous_high }}
        else 0.0e0
    end
{%- endmacro %}


{% macro minus_movement(high, previous_high, low, previous_low) -%}
    {#- -DM: how far the low fell below the last one, where that is further than the high rose. -#}
    case
        when {{ previous_low }} - {{ low }} > greatest({{ high }} - {{ previous_high }}, 0)
            then {{ previous_low }} - {{ low }}
        else 0.0e0
    end
{%- endmacro %}


{% macro true_range(high, low, previous_close) -%}
    {#- The range of the bar, stretched to the close before it. -#}
    greatest({{ high }}, {{ previous_close }}) - least({{ low }}, {{ previous_close }})
{%- endmacro %}
