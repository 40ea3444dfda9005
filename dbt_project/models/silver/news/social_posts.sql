-- depends_on: {{ ref('int_news__revisions') }}
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', tags=['news_family'],
    unique_key=['provider', 'post_id', 'version_no'], takes_in=['social_posts']
) }}
{%- set new_batches = unprocessed_batches(remembered().news.datasets) -%}
{%- set is_taken_in = in_batches('_batch_id', new_batches) if is_incremental() else 'true' %}

with records as (
    select * from {{ ref('int_posts__records') }}
    where len(reasons) = 0 and {{ is_taken_in }}
),

{{ changes_of_documents(
    'records', 'post_id', told_at='observed_at',
    content=[
        'title', 'text', 'author', 'url', 'community', 'created_at', 'edited_at', 'removed_by',
        'score', 'comment_count', 'asset_class', 'provider_symbols'
    ],
    last_of_moment='hashed._fetched_at desc, hashed._batch_id desc, hashed._row desc'
) }},

-- A forum's clock may be ahead of ours.
known as (
    select
        *,
        greatest(observed_at, created_at) as available_at
    from changes
),

versions as (
    select
        *,
        lead(available_at) over (partition by provider, post_id order by version_no)
            as superseded_at
    from known
    union all by name
    select
        *,
        greatest(observed_at, created_at) as available_at
    from told_once
),

{{ mentions_of('versions', 'created_at') }},

final as (
    select
        versions.provider,
        versions.post_id,
        cast(versions.version_no as integer) as version_no,
        versions.community,
        versions.title,
        versions.text,
        versions.author,
        versions.url,
        versions.created_at,
        versions.edited_at,
        versions.score,
        versions.comment_count,
        versions.removed_by is not null
        or coalesce(versions.text in ('[removed]', '[deleted]'), false) as is_removed,
        versions.available_at,
        versions.superseded_at,
        versions.superseded_at is null as is_current,
        {{ mentioned_instruments('mentions.mentions') }} as instrument_ids,
        {{ unmapped_mentions('mentions.mentions') }} as unmapped_symbols,
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
    {{ stored_versions_now('versions', 'post_id') }}
    {% endif %}
)

select * from final
