-- depends_on: {{ ref('int_news__revisions') }}
{{ config(schema='staging', tags=['news_family']) }}
{%- set only_new = takes_in_only_new(['news_articles', 'social_posts']) -%}
{%- set new_batches = unprocessed_batches(remembered().news.datasets) -%}
{%- set is_told_now = in_batches('_batch_id', new_batches if only_new else []) %}

with articles as (
    select * from {{ ref('news_articles') }}
    where {{ is_told_now }}
),

posts as (
    select * from {{ ref('social_posts') }}
    where {{ is_told_now }}
),

final as (
    select distinct
        'article' as document_type,
        provider,
        article_id as document_id
    from articles
    union all
    select distinct
        'post' as document_type,
        provider,
        post_id as document_id
    from posts
)

select * from final
