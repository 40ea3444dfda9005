with records as (
    select * from {{ ref('int_instruments__records') }}
    where len(reasons) = 0
),

requests as (
    select * from {{ ref('load_requests') }}
),

-- Only a complete list can say that something is no longer on it.
extracts as (
    select distinct
        records.provider,
        records._fetched_at as extracted_at
    from records
    inner join requests
        on
            records._batch_id = requests.batch_id
            and records._fetched_at = requests.fetched_at
    where requests.is_complete
),

listings as (
    select
        provider,
        listing_id,
        min(_fetched_at) as first_seen_at,
        max(_fetched_at) as last_seen_at,
        bool_or(effective_at is not null) as is_dated
    from records
    group by all
),

-- A dated listing tells its whole history each time: the newest telling counts.
states as (
    select
        records.*,
        coalesce(records.effective_at, records._fetched_at) as valid_from
    from records
    inner join listings
        on
            records.provider = listings.provider
            and records.listing_id = listings.listing_id
    where not listings.is_dated or records._fetched_at = listings.last_seen_at
),

absences as (
    select
        listings.provider,
        listings.listing_id,
        extracts.extracted_at
    from listings
    inner join extracts
        on
            listings.provider = extracts.provider
            and extracts.extracted_at
            > case when listings.is_dated then listings.last_seen_at else listings.first_seen_at end
    anti join records
        on
            listings.provider = records.provider
            and listings.listing_id = records.listing_id
            and extracts.extracted_at = records._fetched_at
),

removals as (
    select states.* replace ('removed' as status, absences.extracted_at as valid_from)
    from absences
    inner join states
        on
            absences.provider = states.provider
            and absences.listing_id = states.listing_id
            and absences.extracted_at > states.valid_from
    qualify
        row_number() over (
            partition by absences.provider, absences.listing_id, absences.extracted_at
            order by states.valid_from desc, states._batch_id desc, states._row desc
        ) = 1
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
        first_value(valid_from) over listing as first_valid_from
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

final as (
    select
        provider,
        listing_id,
        first_name || case when use_number > 1 then '~' || use_number else '' end as instrument_id,
        asset_class,
        provider_symbol,
        symbol,
        name,
        exchange,
        currency,
        status,
        effective_at is not null as is_dated,
        valid_from,
        lead(valid_from, 1, timestamp '9999-12-31') over (
            partition by provider, listing_id order by valid_from
        ) as valid_to
    from ranked
)

select * from final
