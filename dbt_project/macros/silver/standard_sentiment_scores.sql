{% macro standard_sentiment_scores(
    list, symbol_key='symbol', score_key='score', relevance_key='relevance', label_key='label'
) %}
    {#-
        What a vendor says of each symbol in an article, for `symbol_scores` of `standard_article`:
        JSON list text of {symbol, score, relevance, label}, all texts as the vendor sent them.
        `list` is an SQL expression for the vendor's JSON list of objects, the rest are its names
        for their fields (Alpha Vantage: ticker, ticker_sentiment_score, relevance_score,
        ticker_sentiment_label).
    -#}
    cast(to_json(list_transform(
        coalesce(try(json_extract({{ list }}, '$[*]')), []),
        lambda said: struct_pack(
            symbol := trim(said ->> '$.{{ symbol_key }}'),
            score := trim(said ->> '$.{{ score_key }}'),
            relevance := trim(said ->> '$.{{ relevance_key }}'),
            label := trim(said ->> '$.{{ label_key }}')
        )
    )) as varchar)
{%- endmacro %}
