-- A failing row is a provider that has landed bars, corporate actions, listings or fundamentals of
-- an asset class but has no row for it in the precedence seed: without a place in the order, its
-- records could neither win nor lose. Add it to seeds/precedence.csv.
{{ config(meta={'dagster': {'ref': {'name': 'build_batches'}}}) }}

with batches as (
    select * from {{ ref('build_batches') }}
),

precedence as (
    select * from {{ ref('precedence') }}
),

given as (
    select distinct
        'bars' as dataset,
        asset_class,
        provider
    from {{ ref('int_bars__series') }}
    union
    select distinct
        'quote_bars' as dataset,
        asset_class,
        provider
    from {{ ref('quote_bars') }}
    union
    select distinct
        'corporate_actions' as dataset,
        asset_class,
        provider
    from {{ ref('int_corporate_actions__records') }}
    where len(reasons) = 0
    union
    select distinct
        'instruments' as dataset,
        asset_class,
        provider
    from {{ ref('int_instruments__records') }}
    where len(reasons) = 0
    union
    select distinct
        'fundamentals' as dataset,
        asset_class,
        provider
    from {{ ref('fundamentals') }}
),

-- Bars of a provider that is in no row at all are found even where none of them was accepted.
unknown as (
    select distinct
        batches.dataset,
        cast(null as varchar) as asset_class,
        batches.provider
    from batches
    anti join precedence
        on
            batches.dataset = precedence.dataset
            and batches.provider = precedence.provider
    where batches.dataset = 'bars'
),

final as (
    select given.*
    from given
    anti join precedence
        on
            given.dataset = precedence.dataset
            and given.asset_class = precedence.asset_class
            and given.provider = precedence.provider
    union all
    select * from unknown
)

select * from final
