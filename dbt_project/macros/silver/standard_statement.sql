{% macro standard_statement(
    symbol, statement, period_end, items, asset_class="'equity'", period_start='null',
    fiscal_period='null', currency='null', filed_at='null', accepted_at='null',
    accepted_time_zone='America/New_York', form='null', filing_id='null', instrument_id='null',
    zero_is_unknown=false
) %}
    {#-
        The columns every staging model of whole statements has: one row per record, which is one
        statement of one period with all its amounts; `int_statements__staged` describes them.
        Arguments are SQL expressions over the lake's text columns:
          symbol              as the vendor spells it
          statement           "'income'", "'balance'", "'cash_flow'" or "'overview'"
          period_end          last day of the period; for an overview the day it was fetched
          items               JSON object text of the amounts by the vendor's names: either the
                              lake column that holds it or statement_items([…columns…]). Leave out
                              what is no amount: a text in it that is no number goes to quarantine.
                              `None`, `null`, `-`, an empty text and JSON null are unknown amounts.
          asset_class         default equity
          period_start        first day of the period, where the vendor says it
          fiscal_period       FY, Q1 to Q4, or Q where the vendor only says that it is a quarter
          currency            of the amounts
          filed_at            date (or time) of filing; NULL where the vendor does not say
          accepted_at         time the filing was accepted; NULL where the vendor does not say
          accepted_time_zone  zone name of `accepted_at` where the text has no offset
          form, filing_id     of the filing, where the vendor says it
          instrument_id       only for providers whose symbols are canonical as written
          zero_is_unknown     true for vendors that write 0 for what they do not know
    -#}
    _provider as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    lower(trim({{ statement }})) as statement,
    {{ reported_period(period_start, period_end, fiscal_period) }},
    {{ given_number(currency) }} as currency,
    {{ reported_filing(filed_at, accepted_at, accepted_time_zone, form, filing_id) }},
    {{ 'true' if zero_is_unknown else 'false' }} as is_zero_unknown,
    cast({{ items }} as varchar) as items,
    {{ lineage() }}
{%- endmacro %}


{% macro statement_items(columns) %}
    {#- JSON object text of lake columns, by their names, for `items` of `standard_statement`. -#}
    cast(json_object(
        {%- for column in columns %}
        '{{ column }}', {{ adapter.quote(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) as varchar)
{%- endmacro %}
