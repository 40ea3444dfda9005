-- depends_on: {{ ref('int_articles__records') }}, {{ ref('int_posts__records') }}
-- depends_on: {{ ref('int_news__symbol_map') }}
{{ config(schema='staging', tags=['news_family']) }}
{%- set new_batches = unprocessed_batches(remembered().news.datasets) -%}

{#- What the last build left is named, not referenced: it is built after this. -#}
{% if not execute or family_goes_on('news') %}
with new_tellings as (
    select
        'news_articles' as dataset,
        provider,
        article_id as document_id,
        _fetched_at as told_at
    from {{ ref('int_articles__records') }}
    where len(reasons) = 0 and {{ in_batches('_batch_id', new_batches) }}
    union all
    select
        'social_posts' as dataset,
        provider,
        post_id as document_id,
        observed_at as told_at
    from {{ ref('int_posts__records') }}
    where len(reasons) = 0 and {{ in_batches('_batch_id', new_batches) }}
),

documents as (
    select
        'news_articles' as dataset,
        provider,
        article_id as document_id,
        _last_told_at as last_told_at,
        is_current,
        instrument_ids,
        unmapped_symbols
    from silver.news_articles
    union all
    select
        'social_posts' as dataset,
        provider,
        post_id as document_id,
        _last_told_at as last_told_at,
        is_current,
        instrument_ids,
        unmapped_symbols
    from silver.social_posts
),

symbols_told_otherwise as (
    select distinct
        provider,
        mentioned_as
    from ({{ changed_since_applied('news_symbols') }}) as changed
),

-- A symbol that is an instrument is not kept as it was written: all that may have been it.
meanings_told_otherwise as (
    select
        symbols_told_otherwise.provider,
        list(symbols_told_otherwise.mentioned_as) as symbols,
        list(applied.instrument_id) as instrument_ids
    from symbols_told_otherwise
    left join ops.applied_news_symbols as applied
        on
            symbols_told_otherwise.provider = applied.provider
            and symbols_told_otherwise.mentioned_as = applied.mentioned_as
    group by symbols_told_otherwise.provider
),

revisions as (
    -- Versions are told apart in the order in which they were told.
    select
        documents.dataset,
        'told_late' as reason
    from documents
    inner join new_tellings
        on
            documents.dataset = new_tellings.dataset
            and documents.provider = new_tellings.provider
            and documents.document_id = new_tellings.document_id
            and documents.last_told_at >= new_tellings.told_at
    where documents.is_current
    union all
    select
        documents.dataset,
        'symbol' as reason
    from documents
    inner join meanings_told_otherwise
        on
            documents.provider = meanings_told_otherwise.provider
            and (
                list_has_any(documents.instrument_ids, meanings_told_otherwise.instrument_ids)
                or list_has_any(
                    list_transform(
                        documents.unmapped_symbols,
                        lambda symbol: {{ mentioned_as('symbol') }}
                    ),
                    meanings_told_otherwise.symbols
                )
            )
),
{% else %}
with revisions as (
    select {{ typed_nulls() }}
    where false
),
{% endif %}

final as (
    select distinct
        dataset,
        reason
    from revisions
)

select * from final
order by dataset, reason
