-- A failing row is a provider that has landed bars or corporate actions but is not in the
-- precedence seed: without a place in the order, they could neither win nor lose. Add it to
-- seeds/bar_precedence.csv.
{{ config(meta={'dagster': {'ref': {'name': 'build_batches'}}}) }}

with batches as (
    select * from {{ ref('build_batches') }}
),

precedence as (
    select * from {{ ref('bar_precedence') }}
),

final as (
    select distinct batches.provider
    from batches
    anti join precedence on batches.provider = precedence.provider
    where batches.dataset in ('bars', 'corporate_actions')
)

select * from final
