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

sessions as (
    select
        asset_classes.asset_class,
        calendar_sessions.session_date,
        row_number() over (
            partition by asset_classes.asset_class order by calendar_sessions.session_date
        ) as session_no
    from {{ ref('int_calendar__sessions') }} as calendar_sessions
    inner join {{ ref('asset_classes') }} as asset_classes
        on calendar_sessions.calendar = asset_classes.calendar
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

-- No action is farther from its session than the longest holidays; weekends go with Monday.
numbered as (
    select
        standing.*,
        case
            when sessions.session_date - standing.ex_date <= 14 then sessions.session_no
        end as session_no,
        date_diff('week', date '1970-01-05', standing.ex_date) * 5
        + least(isodow(standing.ex_date), 6) as weekday_no
    from standing
    asof left join sessions
        on
            standing.asset_class = sessions.asset_class
            and standing.ex_date <= sessions.session_date
),

-- A vendor that gives spin-offs as splits means by a ratio what others call the action of that
-- ratio, or the spin-off of that day of which they give no price; no whole number is one.
named as (
    select
        inferred._batch_id,
        inferred._row,
        namer.action_type
    from numbered as inferred
    inner join numbered as namer
        on
            inferred.instrument_id = namer.instrument_id
            and {{ is_within_a_session('inferred', 'namer') }}
    inner join precedence
        on
            namer.provider = precedence.provider
            and namer.asset_class = precedence.asset_class
    where
        inferred.is_type_inferred
        and not namer.is_type_inferred
        and namer.action_type in ('split', 'spin_off')
        and coalesce(
            {{ is_same_ratio('inferred.ratio', 'namer.ratio') }},
            namer.action_type = 'spin_off'
            and inferred.ratio > 1
            and inferred.ratio <> round(inferred.ratio)
        )
    qualify
        row_number() over (
            partition by inferred._batch_id, inferred._row
            order by
                namer.ratio is null asc,
                precedence.precedence asc,
                namer.told_at desc,
                namer._fetched_at desc,
                namer._batch_id desc,
                namer._row desc
        ) = 1
),

typed as (
    select numbered.* replace (coalesce(named.action_type, numbered.action_type) as action_type)
    from numbered
    left join named
        on
            numbered._batch_id = named._batch_id
            and numbered._row = named._row
),

latest as (
    select typed.*
    from typed
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
        case
            when one_per_provider.action_type in ('split', 'spin_off') then 'share units'
            else one_per_provider.action_type
        end as slot,
        precedence.precedence
    from one_per_provider
    inner join precedence
        on
            one_per_provider.provider = precedence.provider
            and one_per_provider.asset_class = precedence.asset_class
),

-- Vendors differ by a session on when an action took effect: what a better one says of it holds.
-- Splits of several ratios are several actions; a split and a spin-off of one ratio are one.
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
            and ranked.slot = better.slot
            and ranked.precedence > better.precedence
            and {{ is_within_a_session('ranked', 'better') }}
            and (
                (
                    ranked.action_type = better.action_type
                    and (ranked.ex_date = better.ex_date or ranked.action_type <> 'split')
                )
                or coalesce({{ is_same_ratio('ranked.ratio', 'better.ratio') }}, false)
            )
)

select * from final
order by instrument_id, ex_date, action_type
