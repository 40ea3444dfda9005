-- depends_on: {{ ref('int_news__symbol_map') }}
{{ config(schema='staging', tags=['news_family']) }}
{%- set new_batches = unprocessed_batches(remembered().news.datasets) -%}

{% if not execute or family_goes_on('news') %}
with articles as (
    select * from {{ ref('news_articles') }}
    where {{ in_batches('_batch_id', new_batches) }}
),

posts as (
    select * from {{ ref('social_posts') }}
    where {{ in_batches('_batch_id', new_batches) }}
),

scores as (
    select * from {{ ref('sentiment_scores') }}
    where instrument_id is not null
),

symbols_told_otherwise as (
    {{ changed_since_applied('news_symbols') }}
),

new_batches as (
    select * from {{ ref('build_batches') }}
    where {{ in_batches('batch_id', new_batches) }}
),

processed_batches as (
    select build_batches.*
    from {{ ref('build_batches') }} as build_batches
    semi join ops.processed_batches as processed_batches
        on build_batches.batch_id = processed_batches.batch_id
),

documents as (
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
),

-- Versions are told apart in the order in which they were fetched.
late_batches as (
    select new_batches.batch_id
    from new_batches
    inner join processed_batches
        on
            new_batches.provider = processed_batches.provider
            and new_batches.dataset = processed_batches.dataset
            and new_batches.fetched_at <= processed_batches.fetched_at
),

changed as (
    select
        scores.instrument_id,
        scores.available_at
    from scores
    semi join documents
        on
            scores.document_type = documents.document_type
            and scores.provider = documents.provider
            and scores.document_id = documents.document_id
    union all
    select
        '{{ every_instrument() }}' as instrument_id,
        timestamp '0001-01-01' as available_at
    where
        exists (select 1 from symbols_told_otherwise)
        or exists (select 1 from late_batches)
),
{% else %}
with changed as (
    select
        '{{ every_instrument() }}' as instrument_id,
        timestamp '0001-01-01' as available_at
),
{% endif %}

final as (
    select distinct
        instrument_id,
        available_at
    from changed
)

select * from final
