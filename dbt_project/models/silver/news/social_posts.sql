with records as (
    select
        *,
        {{ surrogate_key([
            'title', 'text', 'author', 'url', 'community', 'created_at', 'edited_at',
            'removed_by', 'score', 'comment_count', 'asset_class', 'provider_symbols'
        ]) }} as content_hash
    from {{ ref('int_posts__records') }}
    where len(reasons) = 0
),

-- A post as of each time it was looked at: once.
told as (
    select * from records
    qualify
        row_number() over (
            partition by provider, post_id, observed_at
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

compared as (
    select
        *,
        lag(content_hash) over (partition by provider, post_id order by observed_at)
            as previous_hash
    from told
),

versions as (
    select
        *,
        row_number() over (partition by provider, post_id order by observed_at) as version_no
    from compared
    where content_hash is distinct from previous_hash
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
        -- A forum's clock may be ahead of ours.
        greatest(versions.observed_at, versions.created_at) as available_at,
        lead(greatest(versions.observed_at, versions.created_at)) over post as superseded_at,
        lead(versions.version_no) over post is null as is_current,
        {{ mentioned_instruments('mentions.mentions') }} as instrument_ids,
        {{ unmapped_mentions('mentions.mentions') }} as unmapped_symbols,
        versions._fetched_at,
        versions._batch_id,
        versions._row
    from versions
    left join mentions
        on
            versions._batch_id = mentions._batch_id
            and versions._row = mentions._row
    window post as (
        partition by versions.provider, versions.post_id
        order by versions.version_no
    )
)

select * from final
