{% macro direction(close, sma_20, macd_histogram) -%}
    {#- 1 above the mean with a positive MACD histogram, -1 below with a negative one, else 0. -#}
    case
        when {{ close }} > {{ sma_20 }} and {{ macd_histogram }} > 0 then 1
        when {{ close }} < {{ sma_20 }} and {{ macd_histogram }} < 0 then -1
        when {{ sma_20 }} is not null and {{ macd_histogram }} is not null then 0
    end
{%- endmacro %}


{% macro momentum_of(rsi) -%}
    {#- `overbought`, `positive`, `negative` or `oversold`. -#}
    case
        when {{ rsi }} >= {{ var('event_rsi_levels')[1] }} then 'overbought'
        when {{ rsi }} <= {{ var('event_rsi_levels')[0] }} then 'oversold'
        when {{ rsi }} >= 50 then 'positive'
        when {{ rsi }} < 50 then 'negative'
    end
{%- endmacro %}


{% macro confluence(directions) -%}
    {#-
        The columns `confluence_score`, `agreeing_count` and `available_count` of a list of directions:
        their mean, how many have its sign, and how many there are.
    -#}
    {%- set sum = 'list_sum(' ~ directions ~ ')' -%}
    {%- set available = 'len(list_filter(' ~ directions ~ ', lambda one: one is not null))' -%}
        {{ sum }} / nullif({{ available }}, 0) as confluence_score,
        case sign({{ sum }})
            when 1 then len(list_filter({{ directions }}, lambda one: one > 0))
            when -1 then len(list_filter({{ directions }}, lambda one: one < 0))
            else 0
        end as agreeing_count,
        {{ available }} as available_count
{%- endmacro %}
