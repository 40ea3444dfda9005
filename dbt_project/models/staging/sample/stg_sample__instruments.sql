with source as (
    select * from {{ lake_source('sample', 'instruments') }}
),

final as (
    select
        {{ standard_listing() }}
    from source
)

select * from final
