{% macro standard_fact(
    symbol, concept, period_end, value, asset_class="'equity'", statement='null',
    period_start='null', fiscal_period='null', unit='null', filed_at='null', accepted_at='null',
    accepted_time_zone='UTC', form='null', filing_id='null', instrument_id='null',
    zero_is_unknown=false
) %}
    {#-
        The columns every staging model of single reported facts has (XBRL, files), one row per
        record; `int_facts__staged` describes them. Arguments are SQL expressions over the lake's text columns:
          symbol              as the vendor spells it
          concept             the vendor's own name of what is reported, verbatim, with its taxonomy
                              where it has one: `us-gaap:Revenues`
          period_end          last day of the period, or the day of a balance
          value               the amount; a text that is no number goes to quarantine
          asset_class         default equity
          statement           income, balance, cash_flow, or another word; NULL where it is not said
          period_start        first day of the period; NULL for balances, or where it is not said
          fiscal_period       FY or Q1 to Q4 of the *fact*; NULL where the vendor only says it of the
                              filing (SEC)
          unit                USD, shares, USD/shares …
          filed_at            date (or time) of filing; NULL where the vendor does not say
          accepted_at         time the filing was accepted; NULL where the vendor does not say
          accepted_time_zone  zone name of `accepted_at` where the text has no offset
          form                10-K, 10-Q/A …
          filing_id           accession number, or what else names the filing
          instrument_id       only for providers whose symbols are canonical as written
          zero_is_unknown     true for vendors that write 0 for what they do not know
    -#}
    _provider as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    lower({{ sent_text(statement) }}) as statement,
    {{ sent_text(concept) }} as vendor_concept,
    {{ reported_period(period_start, period_end, fiscal_period) }},
    {{ given_number(value) }} as value_text,
    try_cast({{ value }} as double) as value,
    {{ sent_text(unit) }} as unit,
    {{ reported_filing(filed_at, accepted_at, accepted_time_zone, form, filing_id) }},
    {{ 'true' if zero_is_unknown else 'false' }} as is_zero_unknown,
    {{ lineage() }}
{%- endmacro %}


{% macro reported_period(period_start, period_end, fiscal_period) %}
    {#- The period of a fact or statement: as sent and as dates. A time of day is left out. -#}
    {{ sent_text(period_start) }} as period_start_text,
    {{ sent_text(period_end) }} as period_end_text,
    {{ calendar_date(given_number(period_start)) }} as period_start_date,
    {{ calendar_date(given_number(period_end)) }} as period_end_date,
    upper({{ sent_text(fiscal_period) }}) as fiscal_period
{%- endmacro %}


{% macro reported_filing(filed_at, accepted_at, accepted_time_zone, form, filing_id) %}
    {#- Which filing said it, and when: as sent and as times. -#}
    {{ given_number(filed_at) }} as filed_text,
    {{ given_number(accepted_at) }} as accepted_text,
    {{ calendar_date(given_number(filed_at)) }} as filed_date,
    {{ utc_from_zoned_text(given_number(accepted_at), accepted_time_zone) }} as accepted_at,
    {{ sent_text(form) }} as form,
    {{ sent_text(filing_id) }} as filing_id
{%- endmacro %}


{% macro given_number(text) %}
    {#- Text as sent, or NULL where it is one of the words vendors have for having nothing. -#}
    case
        when lower(trim(cast({{ text }} as varchar))) not in ('', 'none', 'null', 'n/a', '-')
            then trim(cast({{ text }} as varchar))
    end
{%- endmacro %}
