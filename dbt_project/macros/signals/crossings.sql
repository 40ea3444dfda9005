{% macro side_of(value, level, scale) -%}
    {#- 1 clearly above the level, -1 clearly below, NULL where the two are the same but for rounding. -#}
    case
        when {{ value }} - ({{ level }}) > {{ double(var('event_tolerance')) }} * {{ scale }} then 1
        when {{ value }} - ({{ level }}) < -{{ double(var('event_tolerance')) }} * {{ scale }} then -1
    end
{%- endmacro %}


{% macro last_side(side, window) -%}
    {#- The side the series was last clearly on, before this bar. -#}
    last_value({{ side }} ignore nulls) over {{ window }}
{%- endmacro %}


{% macro crossing(name, value, level, up, down) -%}
    {#- The event of a watch that went from one side to the other, or NULL. -#}
    case
        {%- for event, side in [(up, 1), (down, -1)] if event %}
        when {{ name }}_side = {{ side }} and {{ name }}_before = {{ -side }}
            {#- What is overbought may fall: entering the zone speaks against the move. #}
            then {{ event_of(event, -side if 'over' in event else side, value, level) }}
        {%- endfor %}
    end
{%- endmacro %}


{% macro regime_change(regime, earlier_regime) -%}
    {#- The event of a change from one known regime to another, or NULL. -#}
    case
        when {{ regime }} <> {{ earlier_regime }}
            then {{ event_of(
                'regime_change',
                "case " ~ regime ~ " when 'trend_up' then 1 when 'trend_down' then -1 end",
                'null', 'null'
            ) }}
    end
{%- endmacro %}


{% macro event_of(event, direction, value, level) -%}
    {
        'event_name': '{{ event }}',
        'event_direction': {{ direction }},
        'event_value': cast({{ value }} as double),
        'event_level': cast({{ level }} as double)
    }
{%- endmacro %}
