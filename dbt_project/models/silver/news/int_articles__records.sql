{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with articles as (
    select * from {{ ref('int_articles__staged') }}
),

-- Clocks differ, by less than a day.
final as (
    select
        *,
        {{ reasons([
            (
                'missing_value',
                'article_id is null or published_text is null'
                ~ ' or coalesce(headline, summary, content) is null'
            ),
            (
                'not_a_number',
                '(overall_score_text is not null and not coalesce(isfinite(overall_score), false))'
                ~ ' or ' ~ has_unreadable_scores('symbol_scores')
            ),
            (
                'score_out_of_range',
                'abs(overall_score) > 1 or ' ~ has_scores_out_of_range('symbol_scores')
            ),
            (
                'unreadable_time',
                '(published_text is not null and published_at is null)'
                ~ ' or (updated_text is not null and updated_at is null)'
            ),
            (
                'time_in_future',
                'published_at > _fetched_at + interval 1 day'
                ~ ' or updated_at > _fetched_at + interval 1 day'
            ),
        ]) }} as reasons
    from articles
)

select * from final
