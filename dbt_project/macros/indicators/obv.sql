{% macro signed_volume(close, previous_close, volume) -%}
    {#- What a bar adds to on-balance volume: its volume, by the direction of the close; all of the first. -#}
    case
        when {{ volume }} is null then 0.0e0
        when {{ previous_close }} is null or {{ close }} > {{ previous_close }} then {{ volume }}
        when {{ close }} < {{ previous_close }} then -{{ volume }}
        else 0.0e0
    end
{%- endmacro %}
