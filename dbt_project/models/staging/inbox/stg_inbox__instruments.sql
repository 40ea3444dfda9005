with source as (
    select * from {{ lake_source('inbox', 'instruments') }}
),

final as (
    select
        {{ standard_listing() }}
    from source
)

select * from final
