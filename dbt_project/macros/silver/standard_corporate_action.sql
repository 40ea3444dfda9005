{% macro standard_corporate_action(
    symbol, asset_class, action_type, ex_date, ratio='null', amount='null', currency='null',
    new_symbol='null', new_share_ratio='null', declared_date='null', instrument_id='null',
    provider='_provider'
) %}
    {#-
        The columns every staging model of corporate actions has; `int_corporate_actions__staged`
        describes them. `split_or_spin_off` is the type of vendors that give spin-offs as splits: the
        ratio tells which. `ratio` is new shares per old share of a split, or the factor by which a vendor
        that gives spin-offs as splits lowers the prices before one; `amount` is cash (of a spin-off,
        value) per share; `new_share_ratio` is how many shares of `new_symbol` come with each share.
    -#}
    {{ provider }} as provider,
    {{ sent_text(symbol) }} as provider_symbol,
    lower(trim({{ asset_class }})) as asset_class,
    cast({{ instrument_id }} as varchar) as given_instrument_id,
    lower(trim({{ action_type }})) as action_type,
    {{ sent_text(ex_date) }} as ex_date_text,
    {{ calendar_date(ex_date) }} as ex_date,
    {{ sent_numbers({'ratio': ratio, 'amount': amount, 'new_share_ratio': new_share_ratio}) }},
    {{ sent_text(currency) }} as currency,
    {{ sent_text(new_symbol) }} as new_symbol,
    {{ calendar_date(declared_date) }} as declared_date,
    {{ lineage() }}
{%- endmacro %}


{% macro corporate_action_types() %}
    {#- What `action_type` may be. Stock dividends are splits; payments for fractions are none of these. -#}
    {% do return([
        'split', 'dividend', 'spin_off', 'name_change', 'merger', 'rights', 'redemption', 'removal'
    ]) %}
{% endmacro %}
