-- depends_on: {{ ref('int_news__revisions') }}
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', tags=['news_family'],
    unique_key=['provider', 'article_id', 'version_no'], takes_in=['news_articles']
) }}
{%- set new_batches = unprocessed_batches(remembered().news.datasets) -%}
{%- set is_taken_in = in_batches('_batch_id', new_batches) if is_incremental() else 'true' %}

with records as (
    select * from {{ ref('int_articles__records') }}
    where len(reasons) = 0 and {{ is_taken_in }}
),

{{ changes_of_documents(
    'records', 'article_id', told_at='_fetched_at',
    content=[
        'headline', 'summary', 'content', 'url', 'author', 'source', 'published_at', 'updated_at',
        'asset_class', 'provider_symbols', 'overall_score', 'overall_label', 'symbol_scores'
    ],
    last_of_moment='hashed.updated_at desc nulls last, hashed._batch_id desc, hashed._row desc'
) }},

-- No version is known before the one before it, whatever clocks say.
known as (
    select
        changes.*,
        min(changes.published_at) over so_far as first_published_at,
        max(
            case
                when changes.version_no = 1 then {{ article_available_at('changes') }}
                else changes._fetched_at
            end
        ) over so_far as available_at
    from changes
    window so_far as (
        partition by changes.provider, changes.article_id
        order by changes.version_no
        rows between unbounded preceding and current row
    )
),

{% if is_incremental() %}
known_after_stored as (
    select
        known.* replace (
            least(known.first_published_at, stored.first_published_at) as first_published_at,
            greatest(known.available_at, stored.available_at) as available_at
        )
    from known
    left join stored
        on
            known.provider = stored.provider
            and known.article_id = stored.article_id
),
{% endif %}

versions as (
    select
        *,
        lead(available_at) over (partition by provider, article_id order by version_no)
            as superseded_at
    from {{ 'known_after_stored' if is_incremental() else 'known' }}
    union all by name
    select
        *,
        published_at as first_published_at,
        {{ article_available_at('told_once') }} as available_at
    from told_once
),

{{ mentions_of('versions', 'published_at', scores='symbol_scores') }},

final as (
    select
        versions.provider,
        versions.article_id,
        cast(versions.version_no as integer) as version_no,
        versions.headline,
        versions.summary,
        versions.content,
        versions.url,
        versions.author,
        versions.source,
        versions.first_published_at,
        versions.published_at,
        versions.updated_at,
        versions.available_at,
        versions.superseded_at,
        versions.superseded_at is null as is_current,
        {{ mentioned_instruments('mentions.mentions') }} as instrument_ids,
        {{ unmapped_mentions('mentions.mentions') }} as unmapped_symbols,
        coalesce(mentions.mentions, []) as mentions,
        versions.overall_score,
        versions.overall_label,
        versions._fetched_at,
        versions._batch_id,
        versions._row,
        versions._content_hash,
        versions._last_told_at
    from versions
    left join mentions
        on
            versions._batch_id = mentions._batch_id
            and versions._row = mentions._row
    {% if is_incremental() %}
    union all by name
    {{ stored_versions_now('versions', 'article_id') }}
    {% endif %}
)

select * from final
