with records as (
    select * from {{ ref('int_instruments__listings') }}
),

requests as (
    select * from {{ ref('load_requests') }}
),

files as (
    select * from {{ ref('providers') }}
    where kind = 'files'
),

-- A vendor may have several lists: of stocks and of coins, of what is listed and what no longer is.
found as (
    select distinct
        records.provider,
        records.listing_id,
        records._fetched_at as extracted_at,
        requests.is_complete,
        row(requests.dataset, requests.symbol, requests.params) as list_asked
    from records
    inner join requests
        on
            records._batch_id = requests.batch_id
            and records._fetched_at = requests.fetched_at
            and coalesce(records._symbol, '') = coalesce(requests.symbol, '')
            and records.asset_class = coalesce(requests.asset_class, records.asset_class)
),

-- Only a complete list can say that something is no longer on it, and no file of one's own is.
extracts as (
    select distinct
        found.provider,
        found.list_asked,
        found.extracted_at
    from found
    anti join files on found.provider = files.provider
    where found.is_complete
),

listed_on as (
    select distinct
        provider,
        listing_id,
        list_asked
    from found
),

listings as (
    select
        provider,
        listing_id,
        min(_fetched_at) as first_seen_at,
        max(_fetched_at) as last_seen_at,
        bool_or(effective_at is not null) as is_dated,
        max_by(listed_at, row(_fetched_at, _batch_id, _row)) as listed_at
    from records
    group by all
),

-- A dated listing tells its whole history each time: the newest telling counts.
told_histories as (
    select
        records.*,
        coalesce(records.effective_at, records._fetched_at) as valid_from,
        valid_from as described_from,
        listings.is_dated
    from records
    inner join listings
        on
            records.provider = listings.provider
            and records.listing_id = listings.listing_id
    where listings.is_dated and records._fetched_at = listings.last_seen_at
),

undated as (
    select
        records.*,
        listings.is_dated,
        listings.listed_at as listed_from
    from records
    inner join listings
        on
            records.provider = listings.provider
            and records.listing_id = listings.listing_id
    where not listings.is_dated
),

-- Others count from when they were seen, but for the ends whose dates they tell, as last told.
endings as (
    select
        * exclude (listed_from) replace ('delisted' as status),
        delisted_at as valid_from,
        delisted_at as described_from
    from undated
    qualify
        delisted_at is not null
        and lead(delisted_at) over (
            partition by provider, listing_id order by _fetched_at, _batch_id, _row
        ) is null
),

not_ended as (
    select undated.*
    from undated
    anti join endings
        on
            undated.provider = endings.provider
            and undated.listing_id = endings.listing_id
            and undated._fetched_at >= endings.delisted_at
            and undated._fetched_at <= endings._fetched_at
    where undated.delisted_at is null or coalesce(undated.status, '') <> 'delisted'
),

seen as (
    select
        * exclude (listed_from),
        _fetched_at as valid_from,
        _fetched_at as described_from
    from not_ended
),

-- They were listed before they were seen, if they say so.
beginnings as (
    select
        * exclude (listed_from)
        replace (
            case
                when status <> 'delisted' or delisted_at is null then status else 'active'
            end as status
        ),
        listed_from as valid_from,
        _fetched_at as described_from
    from undated
    where listed_from < least(_fetched_at, coalesce(delisted_at, _fetched_at))
    qualify
        row_number() over (
            partition by provider, listing_id order by _fetched_at, _batch_id, _row
        ) = 1
),

told_states as (
    select * from told_histories
    union all by name
    select * from endings
    union all by name
    select * from seen
    union all by name
    select * from beginnings
),

absences as (
    select distinct
        listings.provider,
        listings.listing_id,
        extracts.extracted_at
    from listings
    inner join listed_on
        on
            listings.provider = listed_on.provider
            and listings.listing_id = listed_on.listing_id
    inner join extracts
        on
            listed_on.provider = extracts.provider
            and listed_on.list_asked = extracts.list_asked
            and extracts.extracted_at
            > case when listings.is_dated then listings.last_seen_at else listings.first_seen_at end
    anti join records
        on
            listings.provider = records.provider
            and listings.listing_id = records.listing_id
            and extracts.extracted_at = records._fetched_at
),

states_before_absences as (
    select
        told_states.*,
        absences.extracted_at
    from absences
    inner join told_states
        on
            absences.provider = told_states.provider
            and absences.listing_id = told_states.listing_id
            and absences.extracted_at > told_states.valid_from
    qualify
        row_number() over (
            partition by absences.provider, absences.listing_id, absences.extracted_at
            order by
                told_states.valid_from desc, told_states._batch_id desc, told_states._row desc
        ) = 1
),

-- What had been delisted before leaves the list by that.
removals as (
    select
        * exclude (extracted_at)
        replace (
            'removed' as status, extracted_at as valid_from, extracted_at as described_from
        )
    from states_before_absences
    where coalesce(status, '') <> 'delisted'
),

-- What a removed listing was to become does not come about.
states as (
    select told_states.*
    from told_states
    anti join removals
        on
            told_states.is_dated
            and told_states.provider = removals.provider
            and told_states.listing_id = removals.listing_id
            and told_states.valid_from > removals.valid_from
),

events as (
    select * from states
    union all by name
    select * from removals
),

one_per_time as (
    select *
    from events
    qualify
        row_number() over (
            partition by provider, listing_id, valid_from
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

changes as (
    select
        *,
        {{ surrogate_key([
            'asset_class', 'provider_symbol', 'symbol', 'name', 'exchange', 'currency', 'status'
        ]) }} as state_hash
    from one_per_time
    qualify
        state_hash is distinct from lag(state_hash) over (
            partition by provider, listing_id order by valid_from
        )
),

identified as (
    select
        *,
        first_value(asset_class || ':' || symbol) over listing as first_name,
        first_value(valid_from) over listing as first_valid_from,
        is_dated or first_value(listed_at) over listing is not null as has_start
    from changes
    window listing as (partition by provider, listing_id order by valid_from)
),

-- A ticker used again by another company is another instrument.
ranked as (
    select
        *,
        dense_rank() over (
            partition by provider, first_name order by first_valid_from, listing_id
        ) as use_number
    from identified
),

numbered as (
    select
        *,
        first_name || case when use_number > 1 then '~' || use_number else '' end
            as own_instrument_id,
        lead(valid_from, 1, timestamp '9999-12-31') over listing as valid_to,
        count(distinct symbol) over (partition by provider, listing_id) > 1 as has_renames,
        use_number > 1 or has_renames as has_history,
        coalesce(status, '') not in ('delisted', 'removed', 'inactive') as is_listed
    from ranked
    window listing as (partition by provider, listing_id order by valid_from)
),

-- A vendor that knows only today's symbol means the instrument that another vendor says had it
-- then: the one first listed at about the same time, where both say when. One that only knows that
-- the symbol was used before means what another says was renamed to it.
known_elsewhere as (
    select
        numbered.provider,
        numbered.listing_id,
        other.provider as other_provider,
        other.listing_id as other_listing_id,
        other.own_instrument_id as instrument_id
    from numbered
    inner join numbered as other
        on
            numbered.provider <> other.provider
            and numbered.asset_class = other.asset_class
            and numbered.symbol = other.symbol
            and numbered.valid_from < other.valid_to
            and numbered.valid_to > other.valid_from
    where
        not numbered.has_renames
        and other.has_history
        and (other.has_renames or not numbered.has_history)
        and numbered.is_listed
        and other.is_listed
    qualify
        row_number() over (
            partition by numbered.provider, numbered.listing_id
            order by
                numbered.valid_from desc,
                case
                    when numbered.has_start and other.has_start
                        then
                            abs(date_diff('day', numbered.first_valid_from, other.first_valid_from))
                end asc nulls last,
                other.has_renames desc,
                other.valid_from desc,
                other.provider asc,
                other.listing_id asc
        ) = 1
),

-- The other may itself mean one that a third says was renamed, which means no other.
meant as (
    select
        known_elsewhere.provider,
        known_elsewhere.listing_id,
        coalesce(third.instrument_id, known_elsewhere.instrument_id) as instrument_id
    from known_elsewhere
    left join known_elsewhere as third
        on
            known_elsewhere.other_provider = third.provider
            and known_elsewhere.other_listing_id = third.listing_id
),

final as (
    select
        numbered.provider,
        numbered.listing_id,
        coalesce(meant.instrument_id, numbered.own_instrument_id) as instrument_id,
        numbered.asset_class,
        numbered.provider_symbol,
        numbered.symbol,
        numbered.name,
        numbered.exchange,
        numbered.currency,
        numbered.status,
        numbered.effective_at is not null as is_dated,
        numbered.described_from,
        numbered.valid_from,
        numbered.valid_to
    from numbered
    left join meant
        on
            numbered.provider = meant.provider
            and numbered.listing_id = meant.listing_id
)

select * from final
order by provider, listing_id, valid_from
