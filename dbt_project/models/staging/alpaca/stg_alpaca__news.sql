with source as (
    select * from {{ lake_source('alpaca', 'news') }}
),

final as (
    select
        {{ standard_article(
            article_id='id',
            headline='headline',
            published_at='created_at',
            summary='summary',
            content='content',
            url='url',
            author='author',
            source='source',
            updated_at='updated_at',
            symbols='symbols'
        ) }}
    from source
)

select * from final
