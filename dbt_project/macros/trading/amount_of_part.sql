{% macro amount_of_part(part, side) %}
    {#-
        What the first `part` units of an execution cost or brought, in the base currency: computed as the
        whole was, so that the parts, differences of this, add up to it to the last digit. `side` names
        the columns: <side>_units, <side>_price, <side>_rate, <side>_amount; <part>_shares are the units
        in shares.
    -#}
    {%- set in_quote_currency = amount(part ~ '_shares', side ~ '_price') -%}
    case
        when {{ part }} = 0 then 0
        when {{ part }} = {{ side }}_units then {{ side }}_amount
        when {{ side }}_rate = 1 then {{ in_quote_currency }}
        else {{ amount(in_quote_currency, side ~ '_rate') }}
    end
{%- endmacro %}
