with records as (
    select * from {{ ref('int_corporate_actions__records') }}
    where len(reasons) = 0
),

requests as (
    select * from {{ ref('load_requests') }}
    where is_complete
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'corporate_actions'
),

-- When each answer was last given; one that only confirms repeats an earlier one. One without any
-- record takes nothing back: vendors answer so for symbols they do not find for once.
answers as (
    select
        coalesce(confirms_batch_id, batch_id) as batch_id,
        provider,
        dataset,
        coalesce(symbol, '') as symbol,
        coalesce(start_at, timestamp '0001-01-01') as start_at,
        coalesce(end_at, timestamp '9999-12-31') as end_at,
        max(fetched_at) as told_at
    from requests
    where record_count > 0 or confirms_batch_id is not null
    group by all
),

told as (
    select
        records.*,
        coalesce(records._symbol, '') as asked_symbol,
        answers.dataset,
        coalesce(answers.told_at, records._fetched_at) as told_at
    from records
    left join answers
        on
            records._batch_id = answers.batch_id
            and coalesce(records._symbol, '') = answers.symbol
            and records.ex_date >= answers.start_at
            and records.ex_date < answers.end_at
    qualify
        row_number() over (
            partition by records._batch_id, records._row order by answers.told_at desc nulls last
        ) = 1
),

latest_answers as (
    select
        answers.provider,
        answers.dataset,
        answers.symbol,
        answers.start_at,
        answers.end_at,
        max(answers.told_at) as told_at
    from answers
    semi join told
        on
            answers.provider = told.provider
            and answers.dataset = told.dataset
    group by all
),

-- What a later complete answer to the same question does not say again was taken back.
standing as (
    select told.*
    from told
    anti join latest_answers
        on
            told.provider = latest_answers.provider
            and told.dataset = latest_answers.dataset
            and told.asked_symbol = latest_answers.symbol
            and told.ex_date >= latest_answers.start_at
            and told.ex_date < latest_answers.end_at
            and told.told_at < latest_answers.told_at
),

latest as (
    select standing.*
    from standing
    qualify
        rank() over (
            partition by provider, instrument_id, action_type, ex_date
            order by told_at desc, _fetched_at desc, _batch_id desc
        ) = 1
),

-- One answer may give several dividends of one day; what it says twice counts once.
distinct_actions as (
    select *
    from latest
    qualify
        row_number() over (
            partition by provider, instrument_id, action_type, ex_date, amount, currency
            order by _row desc
        ) = 1
),

one_per_provider as (
    select
        *,
        sum(amount) over (
            partition by provider, instrument_id, action_type, ex_date
            order by _row
            rows between unbounded preceding and unbounded following
        ) as total_amount
    from distinct_actions
    qualify
        row_number() over (
            partition by provider, instrument_id, action_type, ex_date order by _row desc
        ) = 1
),

ranked as (
    select
        one_per_provider.*,
        precedence.precedence
    from one_per_provider
    inner join precedence
        on
            one_per_provider.provider = precedence.provider
            and one_per_provider.asset_class = precedence.asset_class
),

-- Vendors differ by a day on when an action took effect: what a better one says of it holds.
final as (
    select
        ranked.instrument_id,
        ranked.action_type,
        ranked.ex_date,
        case when ranked.action_type = 'split' then ranked.ratio end as split_ratio,
        ranked.total_amount as dividend_amount,
        ranked.currency as dividend_currency,
        case when ranked.action_type = 'spin_off' then ranked.ratio end as price_factor,
        ranked.new_symbol,
        ranked.new_share_ratio,
        ranked.declared_date,
        ranked.provider,
        -- Announced before, effective from the first moment of the ex-date.
        cast(ranked.ex_date as timestamp) as available_at,
        ranked._fetched_at,
        ranked._batch_id,
        ranked._row
    from ranked
    anti join ranked as better
        on
            ranked.instrument_id = better.instrument_id
            and ranked.action_type = better.action_type
            and ranked.precedence > better.precedence
            and abs(date_diff('day', ranked.ex_date, better.ex_date)) <= 1
)

select * from final
order by instrument_id, ex_date, action_type
