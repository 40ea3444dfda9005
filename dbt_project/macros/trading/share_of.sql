{% macro share_of(amount, part, whole) %}
    {#-
        What `part` of `whole` has of a fee: nothing for nothing, all for the whole. Shares of neighbouring
        parts are differences of this, so that they add up to the fee to the last digit.
    -#}
    case
        when {{ part }} = {{ whole }} then {{ amount }}
        else cast(
            cast({{ amount }} as double) * (cast({{ part }} as double) / cast({{ whole }} as double))
            as decimal(38, 12)
        )
    end
{%- endmacro %}
