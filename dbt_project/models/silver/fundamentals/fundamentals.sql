with records as (
    select * from {{ ref('int_fundamentals__records') }}
    where len(reasons) = 0
),

concepts as (
    select * from {{ ref('fundamental_concepts') }}
),

precedence as (
    select * from {{ ref('precedence') }}
    where dataset = 'fundamentals'
),

amounts as (
    select
        records.* exclude (items),
        unnest({{ json_entries('items') }}) as amount
    from records
    where is_statement
),

-- An amount that is no number is kept with its text: the rest of its statement is good.
itemised as (
    select
        * exclude (amount) replace (
            amount['key'] as vendor_concept,
            {{ given_number("amount['value']") }} as value_text,
            try_cast(amount['value'] as double) as value
        )
    from amounts
),

facts as (
    select * from itemised
    union all by name
    select * exclude (items) from records
    where not is_statement
),

named as (
    select
        facts.instrument_id,
        facts.asset_class,
        facts.provider,
        facts.provider_symbol,
        coalesce(facts.statement, concepts.statement) as statement,
        concepts.concept,
        facts.vendor_concept,
        coalesce(
            facts.unit,
            case concepts.measure
                when 'shares' then 'shares'
                when 'per_share' then facts.currency || '/shares'
                else facts.currency
            end
        ) as unit,
        facts.period_start_date,
        facts.period_end_date,
        facts.fiscal_period as given_fiscal_period,
        {{ reported_period_type(
            'facts.period_start_date', 'facts.period_end_date', 'facts.fiscal_period',
            'coalesce(facts.statement, concepts.statement)'
        ) }} as period_type,
        facts.filing_id,
        facts.form,
        coalesce(
            facts.filed_date,
            cast({{ local_timestamp('facts.accepted_at', "'America/New_York'") }} as date)
        ) as filed_date,
        facts.accepted_at,
        facts.value_text,
        facts.value_text is not null and not coalesce(isfinite(facts.value), false)
            as is_unreadable,
        coalesce(facts.is_zero_unknown and facts.value = 0, false) as is_zero_unknown,
        case
            when facts.is_zero_unknown and facts.value = 0 then null
            when isfinite(facts.value) then facts.value * coalesce(concepts.sign, 1)
        end as value,
        coalesce(concepts.priority, 0) as priority,
        facts._fetched_at,
        facts._batch_id,
        facts._row
    from facts
    left join concepts
        on
            facts.provider = concepts.provider
            and facts.vendor_concept = concepts.vendor_concept
            and (facts.statement is null or facts.statement = concepts.statement)
),

keyed as (
    select
        *,
        {{ number_key([
            'provider', 'instrument_id', 'statement', 'vendor_concept', 'unit',
            'period_start_date', 'period_end_date', 'given_fiscal_period', 'filing_id'
        ]) }} as fact_key,
        {{ number_key([
            'provider', 'instrument_id', 'statement', 'coalesce(concept, vendor_concept)', 'unit',
            'period_type', 'period_start_date', 'period_end_date', 'given_fiscal_period'
        ]) }} as series_key
    from named
),

repeated as (
    select fact_key
    from keyed
    group by fact_key
    having count(*) > 1
),

-- Most facts are fetched once: only the others need to be compared. Nothing is no fact.
told_once as (
    select
        keyed.*,
        1 as version_no
    from keyed
    anti join repeated on keyed.fact_key = repeated.fact_key
    where keyed.value_text is not null
),

-- What one filing says of one concept and period, as of each time it was fetched: once.
told as (
    select
        keyed.*,
        row(
            keyed.value, keyed.value_text, keyed.is_zero_unknown, keyed.is_unreadable
        ) as said
    from keyed
    semi join repeated on keyed.fact_key = repeated.fact_key
    qualify
        row_number() over (
            partition by keyed.fact_key, keyed._fetched_at
            order by keyed._batch_id desc, keyed._row desc
        ) = 1
),

compared as (
    select
        *,
        lag(said) over fact as previously_said,
        row_number() over fact as times_told
    from told
    window fact as (partition by fact_key order by _fetched_at)
),

-- What only repeats what was said before is no news, and nothing is no fact before there was one.
changes as (
    select
        * exclude (said, previously_said, times_told),
        row_number() over (partition by fact_key order by _fetched_at) as version_no
    from compared
    where
        (times_told = 1 and value_text is not null)
        or (times_told > 1 and said is distinct from previously_said)
),

versions as (
    select * from told_once
    union all by name
    select * from changes
),

filed as (
    select
        *,
        {{ filing_available_at('accepted_at', 'filed_date', 'period_end_date') }}
            as filing_available_at
    from versions
),

dated as (
    select
        * exclude (filing_available_at),
        case
            when version_no = 1 then coalesce(filing_available_at, _fetched_at)
            else greatest(filing_available_at, _fetched_at)
        end as available_at,
        priority + case when value is null then 1000 else 0 end as rank_in_filing
    from filed
),

-- Where a filing says the same by several names, the first in the order that has a value counts, of
-- those that could be known with it.
ranked as (
    select
        *,
        coalesce(
            concept is null
            or rank_in_filing = min(rank_in_filing) over (
                partition by series_key, filing_id
                order by available_at
            ),
            false
        ) as is_primary
    from dated
),

ordered as (
    select
        *,
        is_primary and row_number() over reports = 1 as is_first_report,
        is_primary and lead(version_no) over reports is null as is_latest
    from ranked
    window reports as (
        partition by series_key, is_primary
        order by
            available_at asc, filed_date asc nulls first, filing_id asc nulls first,
            version_no asc, vendor_concept asc
    )
),

-- The first in the order of vendors that has a value of the concept and period.
preferred as (
    select
        ordered.instrument_id,
        ordered.concept,
        ordered.period_type,
        ordered.period_end_date,
        min(precedence.precedence) as precedence
    from ordered
    inner join precedence
        on
            ordered.provider = precedence.provider
            and ordered.asset_class = precedence.asset_class
    where ordered.concept is not null and ordered.is_primary and ordered.value is not null
    group by
        ordered.instrument_id, ordered.concept, ordered.period_type, ordered.period_end_date
),

final as (
    select
        ordered.instrument_id,
        ordered.asset_class,
        ordered.provider,
        ordered.provider_symbol,
        ordered.statement,
        ordered.concept,
        ordered.vendor_concept,
        ordered.unit,
        ordered.period_type,
        ordered.period_start_date,
        ordered.period_end_date,
        date_diff('day', ordered.period_start_date, ordered.period_end_date) + 1 as period_days,
        coalesce(
            ordered.given_fiscal_period,
            case when ordered.period_type = 'annual' then 'FY' end
        ) as fiscal_period,
        ordered.filing_id,
        ordered.form,
        ordered.filed_date,
        ordered.accepted_at,
        ordered.version_no,
        ordered.value,
        ordered.value_text,
        ordered.is_zero_unknown,
        ordered.is_unreadable,
        ordered.available_at,
        ordered.is_primary,
        ordered.is_first_report,
        ordered.is_latest,
        coalesce(precedence.precedence = preferred.precedence, false) as is_preferred_provider,
        precedence.precedence as provider_precedence,
        ordered._fetched_at,
        ordered._batch_id,
        ordered._row
    from ordered
    left join precedence
        on
            ordered.provider = precedence.provider
            and ordered.asset_class = precedence.asset_class
    left join preferred
        on
            ordered.instrument_id = preferred.instrument_id
            and ordered.concept = preferred.concept
            and ordered.period_type = preferred.period_type
            and ordered.period_end_date = preferred.period_end_date
)

select * from final
