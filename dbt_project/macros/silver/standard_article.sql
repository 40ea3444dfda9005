{% macro standard_article(
    article_id, headline, published_at, summary='null', content='null', url='null', author='null',
    source='null', updated_at='null', symbols='null', asset_class='null', symbols_are_canonical=false,
    overall_score='null', overall_label='null', symbol_scores='null'
) %}
    {#-
        The columns every staging model of news articles has, one row per record;
        `int_articles__staged` describes them. Arguments are SQL expressions over the lake's text columns:
          article_id      what the vendor calls the article; its address where it has no id
          headline, summary, content, url, author, source   texts, verbatim (HTML stays HTML)
          published_at    ISO 8601, YYYYMMDDTHHMM or YYYYMMDDTHHMMSS; without an offset it is UTC
          updated_at      the same, NULL where the vendor does not say
          symbols         of what the article mentions, as the vendor spells them: JSON list text,
                          or text with commas, semicolons or blanks between them. `CRYPTO:` and
                          `FOREX:` before one say its asset class.
          asset_class     of all symbols; NULL where the vendor mixes them
          symbols_are_canonical   true for providers whose symbols are canonical as written
          overall_score   the vendor's own sentiment of the article, from -1 to 1
          overall_label   its name for that
          symbol_scores   what standard_sentiment_scores(…) gives
    -#}
    _provider as provider,
    {{ sent_text(article_id) }} as article_id,
    {{ sent_text(headline) }} as headline,
    {{ sent_text(summary) }} as summary,
    {{ sent_text(content) }} as content,
    {{ sent_text(url) }} as url,
    {{ sent_text(author) }} as author,
    {{ sent_text(source) }} as source,
    {{ sent_text(published_at) }} as published_text,
    {{ sent_text(updated_at) }} as updated_text,
    {{ utc_from_document_text(published_at) }} as published_at,
    {{ utc_from_document_text(updated_at) }} as updated_at,
    lower({{ sent_text(asset_class) }}) as asset_class,
    {{ symbol_list(symbols) }} as provider_symbols,
    {{ 'true' if symbols_are_canonical else 'false' }} as symbols_are_canonical,
    {{ given_number(overall_score) }} as overall_score_text,
    try_cast({{ overall_score }} as double) as overall_score,
    {{ sent_text(overall_label) }} as overall_label,
    cast({{ symbol_scores }} as varchar) as symbol_scores,
    {{ lineage() }}
{%- endmacro %}


{% macro symbol_list(text) %}
    {#-
        Symbols from JSON list text, or from text with commas, semicolons or blanks between them:
        each once, in the order of the alphabet; empty for none.
    -#}
    {%- set sent = 'try(trim(cast(' ~ text ~ ' as varchar)))' -%}
    list_sort(list_distinct(list_filter(
        list_transform(
            case
                when starts_with({{ sent }}, '[')
                    then coalesce(try(json_extract_string({{ sent }}, '$[*]')), [])
                else coalesce(string_split_regex({{ sent }}, '[,;\s]+'), [])
            end,
            lambda symbol: trim(symbol)
        ),
        lambda symbol: symbol <> ''
    )))
{%- endmacro %}
