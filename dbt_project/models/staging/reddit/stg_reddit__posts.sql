with source as (
    select * from {{ lake_source('reddit', 'posts') }}
),

-- People write `$BRK.B`; the SEC, whose tickers say what is meant, has `BRK-B`.
tagged as (
    select
        *,
        replace({{ cashtags("concat_ws(' ', title, selftext)") }}, '.', '-') as cashtags
    from source
),

final as (
    select
        {{ standard_post(
            post_id='name',
            created_at='created_utc',
            title='title',
            text='selftext',
            community='subreddit',
            author='author',
            url="'https://www.reddit.com' || permalink",
            score='score',
            comment_count='num_comments',
            edited_at='edited',
            removed_by='removed_by_category',
            symbols='cashtags'
        ) }}
    from tagged
)

select * from final
