{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with posts as (
    select * from {{ ref('int_posts__staged') }}
),

final as (
    select
        *,
        {{ reasons([
            (
                'missing_value',
                'post_id is null or created_text is null or coalesce(title, text) is null'
            ),
            (
                'not_a_number',
                '(score_text is not null and score is null)'
                ~ ' or (comment_count_text is not null and comment_count is null)'
            ),
            (
                'unreadable_time',
                '(created_text is not null and created_at is null)'
                ~ ' or (observed_text is not null and observed_at is null)'
            ),
            (
                'time_in_future',
                'created_at > _fetched_at + interval 1 day'
                ~ ' or observed_at > _fetched_at + interval 1 day'
            ),
        ]) }} as reasons
    from posts
)

select * from final
