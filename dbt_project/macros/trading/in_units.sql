{% macro in_units(quantity, share_units) %}
    {#-
        A quantity of shares in units of the relation `share_units` (a row of `int_trading__share_units`,
        or none): exactly where units are whole numbers, else to 18 places.
    -#}
    case
        when {{ share_units }}.units_per_share is null then {{ quantity }}
        when {{ share_units }}.unit_step is null
            then {{ quantity }} * cast({{ share_units }}.units_per_share as bigint)
        else {{ exact_product(quantity, share_units ~ '.units_per_share') }}
    end
{%- endmacro %}
