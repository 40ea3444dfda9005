with source as (
    select * from {{ lake_source('inbox', 'news_articles') }}
),

final as (
    select
        {{ standard_article(
            article_id='article_id',
            headline='headline',
            summary='summary',
            content='content',
            url='url',
            author='author',
            source='source',
            published_at='published_at',
            updated_at='updated_at',
            symbols='symbols',
            asset_class='asset_class',
            symbols_are_canonical=true,
            overall_score='sentiment_score'
        ) }}
    from source
)

select * from final
