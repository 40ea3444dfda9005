with source as (
    select * from {{ lake_source('inbox', 'social_posts') }}
),

final as (
    select
        {{ standard_post(
            post_id='post_id',
            created_at='created_at',
            community='community',
            title='title',
            text='text',
            author='author',
            url='url',
            score='score',
            comment_count='comment_count',
            symbols='symbols',
            asset_class='asset_class',
            symbols_are_canonical=true,
            observed_at='fetched_at'
        ) }}
    from source
)

select * from final
