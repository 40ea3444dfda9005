with instruments as (
    select
        provider,
        'instruments' as kind,
        provider_symbol,
        reasons,
        to_json(struct_pack(
            listing_id, asset_class, symbol, name, exchange, currency, status,
            effective_date := effective_text, listed_date := listed_text,
            delisted_date := delisted_text
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_instruments__records') }}
    where len(reasons) > 0
),

corporate_actions as (
    select
        provider,
        'corporate_actions' as kind,
        provider_symbol,
        reasons,
        to_json(struct_pack(
            action_type, currency,
            ex_date := ex_date_text, ratio := ratio_text, amount := amount_text
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_corporate_actions__records') }}
    where len(reasons) > 0
),

sessions as (
    select
        provider,
        'sessions' as kind,
        calendar as provider_symbol,
        ['unreadable_time'] as reasons,
        to_json(struct_pack(session_date, open_at, close_at)) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('stg_exchange_calendars__sessions') }}
    where not coalesce(session_date is not null and open_at < close_at, false)
),

fundamentals as (
    select
        provider,
        'fundamentals' as kind,
        provider_symbol,
        reasons,
        to_json(struct_pack(
            asset_class, statement, concept := vendor_concept, fiscal_period, unit, currency,
            period_start := period_start_text, period_end := period_end_text, value := value_text,
            filed_at := filed_text, accepted_at := accepted_text, form, filing_id, items
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_fundamentals__records') }}
    where len(reasons) > 0
),

articles as (
    select
        provider,
        'articles' as kind,
        cast(null as varchar) as provider_symbol,
        reasons,
        to_json(struct_pack(
            article_id, headline, summary, content, url, author, source, asset_class,
            symbols := provider_symbols, published_at := published_text,
            updated_at := updated_text, overall_score := overall_score_text, symbol_scores
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_articles__records') }}
    where len(reasons) > 0
),

posts as (
    select
        provider,
        'posts' as kind,
        cast(null as varchar) as provider_symbol,
        reasons,
        to_json(struct_pack(
            post_id, community, title, text, author, url, asset_class,
            symbols := provider_symbols, created_at := created_text, score := score_text,
            comment_count := comment_count_text, observed_at := observed_text
        )) as original,
        _fetched_at,
        _batch_id,
        _row
    from {{ ref('int_posts__records') }}
    where len(reasons) > 0
),

rejected as (
    select * from instruments
    union all
    select * from corporate_actions
    union all
    select * from sessions
    union all
    select * from fundamentals
    union all
    select * from articles
    union all
    select * from posts
),

batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        rejected.provider,
        batches.dataset,
        rejected.provider_symbol,
        rejected.reasons,
        cast(rejected.original as varchar) as original,
        batches.file,
        rejected._fetched_at,
        rejected._batch_id,
        rejected._row
    from rejected
    inner join batches on rejected._batch_id = batches.batch_id
)

select * from final
order by _batch_id, _row
