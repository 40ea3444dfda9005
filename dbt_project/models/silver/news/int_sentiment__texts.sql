{{ config(materialized='view', schema='staging') }}
{%- set changed_documents = ref('int_documents__changed') -%}
{%- set only_changed = takes_in_only_new(['news_articles', 'social_posts']) %}

with articles as (
    select articles.*
    from {{ ref('news_articles') }} as articles
    {% if only_changed %}
    semi join {{ changed_documents }} as changed
        on
            changed.document_type = 'article'
            and articles.provider = changed.provider
            and articles.article_id = changed.document_id
    {% endif %}
),

posts as (
    select posts.*
    from {{ ref('social_posts') }} as posts
    {% if only_changed %}
    semi join {{ changed_documents }} as changed
        on
            changed.document_type = 'post'
            and posts.provider = changed.provider
            and posts.post_id = changed.document_id
    {% endif %}
),

-- The lexicon is made for short texts: of long ones, what comes first.
article_texts as (
    select
        'article' as document_type,
        provider,
        article_id as document_id,
        version_no,
        available_at,
        superseded_at,
        instrument_ids,
        mentions,
        overall_score,
        overall_label,
        {{ plain_text("concat_ws('. ', headline, coalesce(summary, content))") }} as text
    from articles
),

post_texts as (
    select
        'post' as document_type,
        provider,
        post_id as document_id,
        version_no,
        available_at,
        superseded_at,
        instrument_ids,
        case when not is_removed then {{ plain_text("concat_ws('. ', title, text)") }} end as text
    from posts
),

-- Votes come and go; what was said stays until it is edited or taken down.
compared_posts as (
    select
        *,
        row(text, instrument_ids) as said,
        lag(row(text, instrument_ids)) over (
            partition by provider, document_id
            order by version_no
        ) as previously_said
    from post_texts
),

said_posts as (
    select
        * exclude (said, previously_said, superseded_at),
        lead(available_at) over (partition by provider, document_id order by version_no)
            as superseded_at
    from compared_posts
    where said is distinct from previously_said
),

texts as (
    select * from article_texts
    union all by name
    select * from said_posts
    where text is not null
),

final as (
    select
        document_type,
        provider,
        document_id,
        version_no,
        available_at,
        superseded_at,
        instrument_ids,
        mentions,
        overall_score,
        overall_label,
        text,
        md5(text) as text_hash
    from texts
)

select * from final
