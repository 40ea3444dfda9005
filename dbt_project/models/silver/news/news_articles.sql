with records as (
    select * from {{ ref('int_articles__records') }}
    where len(reasons) = 0
),

repeated as (
    select
        provider,
        article_id
    from records
    group by provider, article_id
    having count(*) > 1
),

-- Most articles are told once: only the others need to be compared.
told_once as (
    select
        records.*,
        1 as version_no,
        records.published_at as first_published_at,
        {{ article_available_at('records') }} as available_at,
        cast(null as timestamp) as superseded_at
    from records
    anti join repeated
        on
            records.provider = repeated.provider
            and records.article_id = repeated.article_id
),

-- An article as of each time it was fetched: once.
told as (
    select
        records.*,
        {{ surrogate_key([
            'headline', 'summary', 'content', 'url', 'author', 'source', 'published_at',
            'updated_at', 'asset_class', 'provider_symbols', 'overall_score', 'overall_label',
            'symbol_scores'
        ]) }} as content_hash
    from records
    semi join repeated
        on
            records.provider = repeated.provider
            and records.article_id = repeated.article_id
    qualify
        row_number() over (
            partition by records.provider, records.article_id, records._fetched_at
            order by records.updated_at desc nulls last, records._batch_id desc, records._row desc
        ) = 1
),

compared as (
    select
        *,
        lag(content_hash) over (
            partition by provider, article_id
            order by _fetched_at
        ) as previous_hash
    from told
),

changes as (
    select
        * exclude (content_hash, previous_hash),
        row_number() over (partition by provider, article_id order by _fetched_at) as version_no
    from compared
    where content_hash is distinct from previous_hash
),

-- No version is known before the one before it, whatever clocks say.
dated as (
    select
        *,
        min(published_at) over so_far as first_published_at,
        max(
            case
                when version_no = 1 then {{ article_available_at('changes') }}
                else _fetched_at
            end
        ) over so_far as available_at
    from changes
    window so_far as (
        partition by provider, article_id
        order by version_no
        rows between unbounded preceding and current row
    )
),

versions as (
    select
        *,
        lead(available_at) over (partition by provider, article_id order by version_no)
            as superseded_at
    from dated
    union all by name
    select * from told_once
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
        versions._row
    from versions
    left join mentions
        on
            versions._batch_id = mentions._batch_id
            and versions._row = mentions._row
)

select * from final
