-- depends_on: {{ ref('int_news__revisions') }}
{{ config(schema='staging', tags=['news_family']) }}

{% if not execute or takes_in_only_new(['news_articles', 'social_posts']) %}
with scores as (
    select * from {{ ref('sentiment_scores') }}
    where instrument_id is not null
),

documents as (
    select * from {{ ref('int_documents__changed') }}
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
