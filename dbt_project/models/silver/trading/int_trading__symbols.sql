with versions as (
    select * from {{ ref('int_instruments__versions') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'instruments'
),

-- A vendor without dates means what it lists now, also of times before it was first seen.
listed as (
    select
        versions.asset_class,
        versions.symbol,
        versions.instrument_id,
        versions.is_dated,
        versions.provider,
        versions.listing_id,
        precedence.precedence,
        case
            when
                not versions.is_dated
                and versions.valid_from = min(versions.valid_from) over (
                    partition by versions.provider, versions.asset_class, versions.symbol
                )
                then timestamp '1970-01-01'
            else versions.valid_from
        end as valid_from,
        versions.valid_to
    from versions
    left join precedence
        on
            versions.provider = precedence.provider
            and versions.asset_class = precedence.asset_class
    where versions.symbol is not null
),

bounds as (
    select
        asset_class,
        symbol,
        valid_from
    from listed
    union
    select
        asset_class,
        symbol,
        valid_to as valid_from
    from listed
),

stretches as (
    select
        *,
        lead(valid_from) over (partition by asset_class, symbol order by valid_from) as valid_to
    from bounds
),

-- Who says from when on is believed before who does not.
final as (
    select
        stretches.asset_class,
        stretches.symbol,
        listed.instrument_id,
        stretches.valid_from,
        stretches.valid_to
    from stretches
    inner join listed
        on
            stretches.asset_class = listed.asset_class
            and stretches.symbol = listed.symbol
            and stretches.valid_from >= listed.valid_from
            and stretches.valid_from < listed.valid_to
    qualify
        row_number() over (
            partition by stretches.asset_class, stretches.symbol, stretches.valid_from
            order by
                listed.is_dated desc,
                listed.precedence asc nulls last,
                listed.provider asc,
                listed.listing_id asc,
                listed.valid_from desc
        ) = 1
)

select * from final
order by asset_class, symbol, valid_from
