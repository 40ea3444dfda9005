with all_versions as (
    select * from {{ ref('int_instruments__versions') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'instruments'
),

compared as (
    select
        all_versions.*,
        precedence.precedence,
        lag(all_versions.symbol) over listing as previous_symbol,
        row_number() over listing = 1 as is_first
    from all_versions
    left join precedence
        on
            all_versions.provider = precedence.provider
            and all_versions.asset_class = precedence.asset_class
    window listing as (
        partition by all_versions.provider, all_versions.listing_id
        order by all_versions.valid_from
    )
),

-- Since when a listing is known to have its symbol: what was there when it was first seen is from
-- an unknown time on, unless the vendor dates it.
versions as (
    select
        *,
        max(valid_from) filter (
            where previous_symbol <> symbol or (is_first and is_dated)
        ) over (
            partition by provider, listing_id
            order by valid_from
            rows between unbounded preceding and current row
        ) as symbol_since,
        coalesce(status, '') = 'removed' as is_removed,
        coalesce(status, '') not in ('delisted', 'removed', 'inactive') as is_listed
    from compared
),

changes as (
    select
        instrument_id,
        valid_from
    from versions
    union
    select
        instrument_id,
        described_from as valid_from
    from versions
    where described_from > valid_from and described_from < valid_to
),

said as (
    select
        changes.valid_from as interval_from,
        versions.*,
        versions.described_from <= changes.valid_from as is_known
    from changes
    inner join versions
        on
            changes.instrument_id = versions.instrument_id
            and changes.valid_from >= versions.valid_from
            and changes.valid_from < versions.valid_to
),

-- Before any vendor was seen to list an instrument it was as it was first seen.
first_seen as (
    select
        instrument_id,
        symbol,
        name,
        exchange,
        currency,
        provider
    from versions
    qualify
        row_number() over (
            partition by instrument_id
            order by
                described_from asc,
                precedence asc nulls last,
                provider asc,
                listing_id asc,
                valid_from asc
        ) = 1
),

-- The newest change of a symbol holds, whoever tells of it: vendors whose listings go by ticker see
-- no renames.
symbols as (
    select
        said.instrument_id,
        said.interval_from,
        case when said.is_known then said.symbol else first_seen.symbol end as symbol
    from said
    inner join first_seen on said.instrument_id = first_seen.instrument_id
    qualify
        row_number() over (
            partition by said.instrument_id, said.interval_from
            order by
                said.is_known desc,
                said.symbol_since desc nulls last,
                said.is_removed asc,
                said.is_listed desc,
                said.precedence asc nulls last,
                said.provider asc,
                said.listing_id asc
        ) = 1
),

-- The best vendor that had it on its list, by that symbol, describes an instrument.
described as (
    select
        said.instrument_id,
        said.asset_class,
        symbols.symbol,
        case when said.is_known then said.name else first_seen.name end as name,
        case when said.is_known then said.exchange else first_seen.exchange end as exchange,
        case when said.is_known then said.currency else first_seen.currency end as currency,
        coalesce(said.status, 'unknown') as status,
        case when said.is_known then said.provider else first_seen.provider end as provider,
        said.interval_from as valid_from
    from said
    inner join first_seen on said.instrument_id = first_seen.instrument_id
    inner join symbols
        on
            said.instrument_id = symbols.instrument_id
            and said.interval_from = symbols.interval_from
    qualify
        row_number() over (
            partition by said.instrument_id, said.interval_from
            order by
                said.is_known desc,
                said.is_removed asc,
                said.symbol = symbols.symbol desc,
                said.precedence asc nulls last,
                said.provider asc,
                said.listing_id asc
        ) = 1
),

kept as (
    select
        *,
        {{ surrogate_key(['symbol', 'name', 'exchange', 'currency', 'status']) }} as state_hash
    from described
    qualify
        state_hash is distinct from lag(state_hash) over (
            partition by instrument_id order by valid_from
        )
),

final as (
    select
        * exclude (state_hash),
        lead(valid_from, 1, timestamp '9999-12-31') over (
            partition by instrument_id order by valid_from
        ) as valid_to
    from kept
)

select * from final
order by instrument_id, valid_from
