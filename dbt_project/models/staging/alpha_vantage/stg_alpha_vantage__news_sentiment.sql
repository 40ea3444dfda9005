with source as (
    select * from {{ lake_source('alpha_vantage', 'news_sentiment') }}
),

final as (
    select
        {{ standard_article(
            article_id='url',
            headline='title',
            published_at='time_published',
            summary='summary',
            url='url',
            author=joined_texts('authors'),
            source='source',
            symbols="ticker_sentiment -> '$[*].ticker'",
            overall_score='overall_sentiment_score',
            overall_label='overall_sentiment_label',
            symbol_scores=standard_sentiment_scores(
                'ticker_sentiment',
                symbol_key='ticker',
                score_key='ticker_sentiment_score',
                relevance_key='relevance_score',
                label_key='ticker_sentiment_label'
            )
        ) }}
    from source
)

select * from final
