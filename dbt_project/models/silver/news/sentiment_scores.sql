-- depends_on: {{ ref('int_documents__changed') }}
{{ config(
    materialized='incremental', incremental_strategy='replace_changed', tags=['news_family'],
    changed_in='int_documents__changed', changed_key=['document_type', 'provider', 'document_id'],
    takes_in=['news_articles', 'social_posts']
) }}

with texts as (
    select * from {{ ref('int_sentiment__texts') }}
),

lexicon_scores as (
    select * from {{ ref('int_sentiment__lexicon_scores') }}
),

judged as (
    select
        texts.document_type,
        texts.provider,
        texts.document_id,
        texts.version_no,
        texts.available_at,
        texts.superseded_at,
        texts.instrument_ids,
        list_filter(texts.mentions, lambda mention: mention.score is not null) as scored_mentions,
        texts.overall_label,
        case when texts.overall_score is null then lexicon_scores.method else texts.provider end
            as method,
        coalesce(texts.overall_score, lexicon_scores.score) as score
    from texts
    left join lexicon_scores on texts.text_hash = lexicon_scores.text_hash
),

overall as (
    select
        document_type,
        provider,
        document_id,
        version_no,
        'overall' as scope,
        cast(null as varchar) as instrument_id,
        cast(null as varchar) as provider_symbol,
        method,
        score,
        cast(null as double) as relevance,
        overall_label as label,
        available_at,
        superseded_at
    from judged
    where score is not null
),

mentioned as (
    select
        * exclude (scored_mentions, method, score),
        unnest(scored_mentions) as mention
    from judged
),

-- What a vendor says of one instrument in a text, whether or not it is one we know. Of two symbols
-- of one instrument, the more relevant counts.
of_mentions as (
    select
        document_type,
        provider,
        document_id,
        version_no,
        'instrument' as scope,
        mention.instrument_id,
        mention.symbol as provider_symbol,
        provider as method,
        mention.score,
        mention.relevance,
        mention.label,
        available_at,
        superseded_at
    from mentioned
    qualify
        mention.instrument_id is null
        or row_number() over (
            partition by document_type, provider, document_id, version_no, mention.instrument_id
            order by mention.relevance desc nulls last, mention.symbol asc
        ) = 1
),

-- Where nobody says more of an instrument than that it is in the text, the text's score is its own.
of_texts as (
    select
        document_type,
        provider,
        document_id,
        version_no,
        'text' as scope,
        unnest(list_filter(
            instrument_ids,
            lambda instrument_id: not coalesce(
                list_contains(
                    list_transform(scored_mentions, lambda mention: mention.instrument_id),
                    instrument_id
                ),
                false
            )
        )) as instrument_id,
        cast(null as varchar) as provider_symbol,
        method,
        score,
        cast(null as double) as relevance,
        cast(null as varchar) as label,
        available_at,
        superseded_at
    from judged
    where score is not null
),

scores as (
    select * from overall
    union all
    select * from of_mentions
    union all
    select * from of_texts
),

final as (
    select
        *,
        superseded_at is null as is_current
    from scores
)

select * from final
