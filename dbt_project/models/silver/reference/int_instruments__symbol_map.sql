with reviewed as (
    select
        provider,
        provider_symbol,
        asset_class,
        instrument_id,
        cast(valid_from as timestamp) as valid_from,
        cast(valid_to as timestamp) as valid_to
    from {{ ref('symbol_map') }}
),

providers as (
    select * from {{ ref('providers') }}
),

-- A feed's symbols are those that its vendor lists.
versions as (
    select * from {{ ref('int_instruments__versions') }}
    union all by name
    select versions.* replace (providers.provider as provider)
    from {{ ref('int_instruments__versions') }} as versions
    inner join providers on versions.provider = providers.listings_of
),

-- A vendor without dates means by a symbol what it lists under it now, also of times before it was
-- first seen or renamed to it, unless it used the symbol for something else before.
listed as (
    select
        provider,
        provider_symbol,
        asset_class,
        instrument_id,
        case
            when
                not is_dated
                and valid_from = min(valid_from) over (
                    partition by provider, provider_symbol, asset_class
                )
                then timestamp '1970-01-01'
            else valid_from
        end as valid_from,
        valid_to
    from versions
),

unreviewed as (
    select listed.*
    from listed
    anti join reviewed
        on
            listed.provider = reviewed.provider
            and listed.provider_symbol = reviewed.provider_symbol
            and listed.asset_class = reviewed.asset_class
),

-- A symbol means one instrument at a time: its next use ends the one before.
exclusive as (
    select
        * replace (
            least(
                valid_to,
                lead(valid_from, 1, timestamp '9999-12-31') over (
                    partition by provider, provider_symbol, asset_class
                    order by valid_from, instrument_id
                )
            ) as valid_to
        )
    from unreviewed
),

final as (
    select * from reviewed
    union all
    select * from exclusive
    where valid_from < valid_to
)

select * from final
