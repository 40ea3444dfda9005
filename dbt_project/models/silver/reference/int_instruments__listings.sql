with records as (
    select * from {{ ref('int_instruments__records') }}
    where len(reasons) = 0
),

requests as (
    select * from {{ ref('load_requests') }}
    where is_complete
),

-- Of two rows for one ticker on one list that give no other date, one began when the other ended.
started as (
    select
        *,
        coalesce(
            listed_at,
            max(delisted_at) over (
                partition by provider, listing_id, _fetched_at
                order by coalesce(delisted_at, timestamp '9999-12-31')
                range between unbounded preceding and interval 1 microsecond preceding
            ),
            timestamp '0001-01-01'
        ) as started_at
    from records
),

-- What was last said of a listing that began then: when it ended, or that it still was there.
spans as (
    select
        provider,
        listing_id,
        started_at,
        coalesce(delisted_at, _fetched_at) as there_until
    from started
    qualify
        row_number() over (
            partition by provider, listing_id, started_at
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

compared as (
    select
        *,
        coalesce(
            started_at >= max(there_until) over (
                partition by provider, listing_id
                order by started_at
                rows between unbounded preceding and 1 preceding
            ),
            true
        ) as is_another
    from spans
),

-- A ticker that begins after it had ended is another listing; one whose date changes is the same.
uses as (
    select
        *,
        max(started_at) filter (where is_another) over (
            partition by provider, listing_id
            order by started_at
            rows between unbounded preceding and current row
        ) as use_started_at
    from compared
),

extracts as (
    select
        *,
        row_number() over (partition by provider order by extracted_at) as extract_no
    from (
        select distinct
            records.provider,
            records._fetched_at as extracted_at
        from records
        inner join requests
            on
                records._batch_id = requests.batch_id
                and records._fetched_at = requests.fetched_at
        where records.issuer_id is not null
    ) as complete
),

on_lists as (
    select distinct
        records.provider,
        records.issuer_id,
        records.listing_id,
        split_part(records.symbol, '.', 2) as share_class,
        extracts.extract_no
    from records
    inner join extracts
        on
            records.provider = extracts.provider
            and records._fetched_at = extracts.extracted_at
    where records.issuer_id is not null
),

arrivals as (
    select
        provider,
        issuer_id,
        listing_id,
        share_class,
        min(extract_no) as extract_no
    from on_lists
    group by all
),

departures as (
    select
        provider,
        issuer_id,
        listing_id,
        share_class,
        extract_no + 1 as extract_no
    from on_lists
    qualify
        lead(extract_no) over (
            partition by provider, issuer_id, listing_id, share_class order by extract_no
        ) is distinct from extract_no + 1
),

-- Where one ticker of a company takes the place of one other of the same class of shares, from one
-- complete list to the next, it is renamed. Which of several became which is not guessed.
renamed as (
    select
        arrivals.provider,
        arrivals.listing_id,
        departures.listing_id as former_listing_id
    from arrivals
    inner join departures
        on
            arrivals.provider = departures.provider
            and arrivals.issuer_id = departures.issuer_id
            and arrivals.share_class = departures.share_class
            and arrivals.extract_no = departures.extract_no
    qualify
        count(*) over (
            partition by
                arrivals.provider, arrivals.issuer_id, arrivals.share_class, arrivals.extract_no
        ) = 1
),

-- What once stood beside each other on a list are two.
beside_each_other as (
    select distinct
        renamed.provider,
        renamed.listing_id
    from renamed
    inner join on_lists as latter
        on
            renamed.provider = latter.provider
            and renamed.listing_id = latter.listing_id
    inner join on_lists as former
        on
            renamed.provider = former.provider
            and renamed.former_listing_id = former.listing_id
            and latter.extract_no = former.extract_no
),

renamings as (
    select renamed.*
    from renamed
    anti join beside_each_other
        on
            renamed.provider = beside_each_other.provider
            and renamed.listing_id = beside_each_other.listing_id
),

names as (
    with recursive followed as (
        select
            provider,
            listing_id,
            former_listing_id as first_listing_id,
            1 as step
        from renamings
        union all
        select
            followed.provider,
            followed.listing_id,
            renamings.former_listing_id as first_listing_id,
            followed.step + 1 as step
        from followed
        inner join renamings
            on
                followed.provider = renamings.provider
                and followed.first_listing_id = renamings.listing_id
    )

    select
        provider,
        listing_id,
        first_listing_id
    from followed
    qualify row_number() over (partition by provider, listing_id order by step desc) = 1
),

resolved as (
    select
        started.*,
        coalesce(names.first_listing_id, started.listing_id)
        || case
            when uses.use_started_at > timestamp '0001-01-01'
                then ':' || strftime(uses.use_started_at, '%Y-%m-%d')
            else ''
        end as resolved_listing_id
    from started
    inner join uses
        on
            started.provider = uses.provider
            and started.listing_id = uses.listing_id
            and started.started_at = uses.started_at
    left join names
        on
            started.provider = names.provider
            and started.listing_id = names.listing_id
),

final as (
    select
        * exclude (reasons, started_at, resolved_listing_id)
        replace (resolved_listing_id as listing_id)
    from resolved
)

select * from final
order by _batch_id, _row
