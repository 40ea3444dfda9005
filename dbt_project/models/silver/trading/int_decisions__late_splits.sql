with corporate_actions as (
    select * from {{ ref('corporate_actions') }}
    where action_type = 'split'
),

records as (
    select * from {{ ref('int_corporate_actions__records') }}
    where len(reasons) = 0 and action_type = 'split'
),

requests as (
    select * from {{ ref('load_requests') }}
    where is_complete and record_count > 0 and dataset in ('corporate_actions', 'splits')
),

bar_versions as (
    select * from {{ ref('bar_versions') }}
),

decisions as (
    select distinct instrument_id from {{ ref('int_decisions__told') }}
),

tellings as (
    select
        records.instrument_id,
        records.ex_date,
        records.provider,
        records.ratio,
        records._symbol,
        records._fetched_at,
        lag(records.ratio) over (
            partition by records.instrument_id, records.ex_date, records.provider
            order by records._fetched_at, records._batch_id, records._row
        ) as previous_ratio
    from records
    semi join decisions on records.instrument_id = decisions.instrument_id
),

compared as (
    select
        tellings.instrument_id,
        tellings.ex_date,
        tellings._fetched_at,
        tellings.ratio = corporate_actions.split_ratio as is_what_holds,
        tellings.provider = corporate_actions.provider
        and tellings.ratio <> tellings.previous_ratio as is_change
    from corporate_actions
    inner join tellings
        on
            corporate_actions.instrument_id = tellings.instrument_id
            and corporate_actions.ex_date = tellings.ex_date
),

-- Since when the vendor whose word holds says what it says; when anyone said so first.
settled as (
    select
        instrument_id,
        ex_date,
        min(_fetched_at) filter (where is_what_holds) as first_told_at,
        max(_fetched_at) filter (where is_change) as changed_at,
        min(_fetched_at) filter (where not is_what_holds) as otherwise_told_at
    from compared
    group by instrument_id, ex_date
),

-- By whom bars were fetched long before the split was told, its first telling was a correction.
first_bars as (
    select
        settled.instrument_id,
        settled.ex_date,
        min(bar_versions._fetched_at) as first_fetched_at
    from settled
    inner join bar_versions
        on
            settled.instrument_id = bar_versions.instrument_id
            and settled.ex_date <= bar_versions.session_date
    group by all
),

corrected as (
    select
        settled.instrument_id,
        settled.ex_date,
        coalesce(settled.changed_at, settled.first_told_at) as told_at
    from settled
    left join first_bars
        on
            settled.instrument_id = first_bars.instrument_id
            and settled.ex_date = first_bars.ex_date
    where
        settled.changed_at is not null
        or settled.otherwise_told_at < settled.first_told_at
        or settled.first_told_at > first_bars.first_fetched_at + interval 1 day
),

-- What no longer holds was taken back by the vendor's next complete answer.
taken_back as (
    select
        tellings.instrument_id,
        tellings.ex_date,
        min(requests.fetched_at) as told_at
    from (
        select
            instrument_id,
            ex_date,
            provider,
            coalesce(_symbol, '') as symbol,
            max(_fetched_at) as last_told_at
        from tellings
        group by all
    ) as tellings
    inner join requests
        on
            tellings.provider = requests.provider
            and tellings.symbol = coalesce(requests.symbol, '')
            and tellings.last_told_at < requests.fetched_at
            and tellings.ex_date >= coalesce(requests.start_at, timestamp '0001-01-01')
            and tellings.ex_date < coalesce(requests.end_at, timestamp '9999-12-31')
    anti join corporate_actions
        on
            tellings.instrument_id = corporate_actions.instrument_id
            and tellings.ex_date = corporate_actions.ex_date
    group by all
),

final as (
    select * from corrected
    union all
    select * from taken_back
)

select * from final
order by instrument_id, ex_date
