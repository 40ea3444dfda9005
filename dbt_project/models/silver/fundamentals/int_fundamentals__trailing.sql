{%- set concepts = [
    'revenue', 'cost_of_revenue', 'gross_profit', 'operating_income', 'net_income', 'eps_diluted',
    'operating_cash_flow', 'capital_expenditure', 'depreciation_and_amortization', 'total_assets',
    'current_assets', 'total_liabilities', 'current_liabilities', 'cash', 'short_term_debt',
    'long_term_debt', 'total_debt', 'total_equity',
] -%}
{%- set stale_after_months = 18 -%}
{#- A trailing year ends up to a year and a few days after the oldest figure it is made of. -#}
{%- set useful_for_months = stale_after_months + 13 -%}
{%- set quarter_days = 'between 75 and 125' -%}
{%- set known_columns = [
    'provider', 'currency', 'income_period_end_date', 'revenue_ttm', 'revenue_ttm_year_before',
    'gross_profit_ttm', 'operating_income_ttm', 'net_income_ttm', 'eps_diluted_ttm_forward',
    'cash_flow_period_end_date', 'operating_cash_flow_ttm', 'capital_expenditure_ttm',
    'free_cash_flow_ttm', 'depreciation_and_amortization_ttm', 'balance_date', 'total_assets',
    'current_assets', 'total_liabilities', 'current_liabilities', 'total_equity', 'total_debt',
    'cash', 'shares_outstanding_forward', 'shares_outstanding_date', 'shares_basis',
] -%}
{%- set never = "timestamp '9999-12-31 00:00:00'" -%}

with fundamentals as (
    select * from {{ ref('fundamentals') }}
    where
        is_primary
        and value is not null
        and available_at < period_end_date + interval {{ useful_for_months }} month
),

factors as (
    select * from {{ ref('adjustment_factors') }}
),

named as (
    select
        *,
        case
            when
                concept in (
                    'revenue', 'cost_of_revenue', 'gross_profit', 'operating_income',
                    'net_income', 'eps_diluted'
                )
                then 'income'
            when
                concept in (
                    'operating_cash_flow', 'capital_expenditure', 'depreciation_and_amortization'
                )
                then 'cash_flow'
            when
                concept in (
                    'total_assets', 'current_assets', 'total_liabilities', 'current_liabilities',
                    'cash', 'short_term_debt', 'long_term_debt', 'total_debt', 'total_equity'
                )
                then 'balance'
            when concept = 'shares_outstanding' then 'shares'
            when concept = 'shares_basic' then 'weighted_shares'
        end as part,
        part in ('shares', 'weighted_shares') or concept = 'eps_diluted' as is_of_shares,
        case
            when part in ('shares', 'weighted_shares') then ''
            else coalesce(split_part(unit, '/', 1), '')
        end as currency,
        coalesce(
            filed_date,
            cast({{ local_timestamp('available_at', "'America/New_York'") }} as date)
        ) as known_date,
        case
            when
                provider in (
                    {% for provider in var('fundamentals_restated_for_splits') %}
                    '{{ provider }}'{{ ',' if not loop.last }}
                    {% endfor %}
                )
                then cast(_fetched_at as date)
            else known_date
        end as units_date
    from fundamentals
    where part is not null
),

-- Per share and in shares: in the units of the first bar, which no split changes.
in_share_units as (
    select
        named.* replace (
            case
                when named.concept = 'eps_diluted'
                    then named.value * coalesce(factors.split_factor, 1)
                else named.value / coalesce(factors.split_factor, 1)
            end as value
        )
    from named
    asof left join factors
        on
            named.instrument_id = factors.instrument_id
            and named.units_date >= factors.valid_from
    where named.is_of_shares
),

in_one_unit as (
    select * from in_share_units
    union all
    select * from named
    where not is_of_shares
),

series as (
    select
        instrument_id,
        provider,
        currency,
        part,
        concept,
        min(provider_precedence) as provider_precedence,
        row_number() over () as series_id
    from in_one_unit
    group by instrument_id, provider, currency, part, concept
),

numbered as (
    select
        series.series_id,
        in_one_unit.*
    from in_one_unit
    inner join series
        on
            in_one_unit.instrument_id = series.instrument_id
            and in_one_unit.provider = series.provider
            and in_one_unit.currency = series.currency
            and in_one_unit.concept = series.concept
),

repeated as (
    select
        series_id,
        available_at
    from numbered
    group by series_id, period_type, period_start_date, period_end_date, available_at
    having count(*) > 1
),

told_again as (
    select numbered.*
    from numbered
    semi join repeated
        on
            numbered.series_id = repeated.series_id
            and numbered.available_at = repeated.available_at
),

-- Of what is told at once of one period, the latest filing's: most is told once.
told as (
    select numbered.*
    from numbered
    anti join repeated
        on
            numbered.series_id = repeated.series_id
            and numbered.available_at = repeated.available_at
    union all
    select *
    from told_again
    qualify
        row_number() over (
            partition by
                series_id, period_type, period_start_date, period_end_date, available_at
            order by
                filed_date desc nulls last, filing_id desc nulls last, version_no desc,
                vendor_concept asc, fiscal_period asc, value asc
        ) = 1
),

changes as (
    select *
    from told
    qualify
        value is distinct from lag(value) over (
            partition by series_id, period_type, period_start_date, period_end_date
            order by available_at
        )
),

-- What is known of a period, until it is told otherwise.
figures as (
    select
        series_id,
        part,
        concept,
        period_type,
        period_start_date,
        period_end_date,
        value,
        available_at as valid_from,
        lead(available_at, 1, {{ never }}) over (
            partition by series_id, period_type, period_start_date, period_end_date
            order by available_at
        ) as valid_to
    from changes
),

flows as (
    select * from figures
    where part in ('income', 'cash_flow')
),

years as (
    select * from flows
    where period_type = 'annual'
),

since_start as (
    select * from flows
    where
        period_start_date is not null
        and period_type in ('quarter', 'year_to_date', 'annual')
),

reported_quarters as (
    select * from flows
    where period_type = 'quarter'
),

first_reported as (
    select
        series_id,
        period_end_date,
        min(valid_from) as reported_at
    from reported_quarters
    group by all
),

-- Of two figures since one start, a quarter apart: the quarter between them, until it is reported.
derived_quarters as (
    select
        longer.series_id,
        longer.period_end_date,
        longer.value - shorter.value as value,
        greatest(longer.valid_from, shorter.valid_from) as valid_from,
        least(longer.valid_to, shorter.valid_to, first_reported.reported_at) as valid_to
    from since_start as longer
    inner join since_start as shorter
        on
            longer.series_id = shorter.series_id
            and longer.period_start_date = shorter.period_start_date
            and longer.period_end_date - shorter.period_end_date {{ quarter_days }}
    left join first_reported
        on
            longer.series_id = first_reported.series_id
            and longer.period_end_date = first_reported.period_end_date
),

quarters as (
    select
        series_id,
        period_end_date,
        value,
        valid_from,
        valid_to
    from reported_quarters
    union all
    select * from derived_quarters
    where valid_from < valid_to
),

-- The year before, with what has come since and without the same months of that year.
rolled_years as (
    select
        years.series_id,
        so_far.period_end_date,
        years.value + so_far.value - year_before.value as value,
        greatest(years.valid_from, so_far.valid_from, year_before.valid_from) as valid_from,
        least(years.valid_to, so_far.valid_to, year_before.valid_to) as valid_to
    from years
    inner join since_start as so_far
        on
            years.series_id = so_far.series_id
            and so_far.period_type <> 'annual'
            and abs(so_far.period_start_date - years.period_end_date - 1) <= 7
    inner join since_start as year_before
        on
            years.series_id = year_before.series_id
            and year_before.period_type <> 'annual'
            and abs(year_before.period_start_date - years.period_start_date) <= 7
            and abs(
                (so_far.period_end_date - so_far.period_start_date)
                - (year_before.period_end_date - year_before.period_start_date)
            ) <= 10
),

four_quarters as (
    select
        quarter_4.series_id,
        quarter_4.period_end_date,
        quarter_1.value + quarter_2.value + quarter_3.value + quarter_4.value as value,
        greatest(
            quarter_1.valid_from, quarter_2.valid_from, quarter_3.valid_from, quarter_4.valid_from
        ) as valid_from,
        least(
            quarter_1.valid_to, quarter_2.valid_to, quarter_3.valid_to, quarter_4.valid_to
        ) as valid_to
    from quarters as quarter_4
    inner join quarters as quarter_3
        on
            quarter_4.series_id = quarter_3.series_id
            and quarter_4.period_end_date - quarter_3.period_end_date {{ quarter_days }}
            and quarter_4.valid_from < quarter_3.valid_to
            and quarter_4.valid_to > quarter_3.valid_from
    inner join quarters as quarter_2
        on
            quarter_4.series_id = quarter_2.series_id
            and quarter_3.period_end_date - quarter_2.period_end_date {{ quarter_days }}
            and quarter_4.valid_from < quarter_2.valid_to
            and quarter_4.valid_to > quarter_2.valid_from
    inner join quarters as quarter_1
        on
            quarter_4.series_id = quarter_1.series_id
            and quarter_2.period_end_date - quarter_1.period_end_date {{ quarter_days }}
            and quarter_4.period_end_date - quarter_1.period_end_date between 240 and 300
            and quarter_4.valid_from < quarter_1.valid_to
            and quarter_4.valid_to > quarter_1.valid_from
),

-- Balances and share counts are of a day; of weighted counts the shortest period is the latest.
routes as (
    select
        series_id,
        period_end_date,
        1 as route,
        value,
        valid_from,
        valid_to
    from years
    union all
    select
        series_id,
        period_end_date,
        2 as route,
        value,
        valid_from,
        valid_to
    from rolled_years
    where valid_from < valid_to
    union all
    select
        series_id,
        period_end_date,
        3 as route,
        value,
        valid_from,
        valid_to
    from four_quarters
    where valid_from < valid_to
    union all
    select
        series_id,
        period_end_date,
        case period_type
            when 'instant' then 1
            when 'quarter' then 1
            when 'year_to_date' then 2
            else 3
        end as route,
        value,
        valid_from,
        valid_to
    from figures
    where
        part = 'weighted_shares'
        or (part in ('balance', 'shares') and period_type = 'instant')
),

-- A better route, once there is one, stays.
routes_taken as (
    select
        series.instrument_id,
        series.provider,
        series.currency,
        series.part,
        series.concept,
        series.provider_precedence,
        routes.period_end_date,
        routes.route,
        routes.value,
        routes.valid_from,
        least(
            routes.valid_to,
            min(routes.valid_from) over (
                partition by routes.series_id, routes.period_end_date
                order by routes.route
                range between unbounded preceding and 1 preceding
            )
        ) as known_to
    from routes
    inner join series on routes.series_id = series.series_id
),

values_known as (
    select
        *,
        least(known_to, period_end_date + interval {{ stale_after_months }} month) as valid_to
    from routes_taken
),

-- What makes a statement one of its date.
statements as (
    select
        instrument_id,
        provider,
        currency,
        part,
        period_end_date,
        min(valid_from) as known_from
    from values_known
    where
        valid_from < valid_to
        and concept in (
            'revenue', 'net_income', 'operating_cash_flow', 'total_assets', 'total_equity',
            'shares_outstanding', 'shares_basic'
        )
    group by all
),

latest_statements as (
    select
        *,
        min(known_from) over (
            partition by instrument_id, provider, currency, part
            order by period_end_date desc
            rows between unbounded preceding and 1 preceding
        ) as newer_known_from
    from statements
),

-- All figures of a statement are of one date, its latest.
current_values as (
    select
        values_known.* exclude (valid_from, valid_to, known_to),  -- noqa: RF02
        greatest(values_known.valid_from, latest_statements.known_from) as valid_from,
        least(values_known.valid_to, latest_statements.newer_known_from) as valid_to
    from values_known
    inner join latest_statements
        on
            values_known.instrument_id = latest_statements.instrument_id
            and values_known.provider = latest_statements.provider
            and values_known.currency = latest_statements.currency
            and values_known.part = latest_statements.part
            and values_known.period_end_date = latest_statements.period_end_date
),

-- What is known, while they are current, of the revenues of the trailing years that ended a year
-- before: as old as that, they are not stale.
earlier_revenues as (
    select
        current_values.instrument_id,
        current_values.provider,
        current_values.currency,
        'year_before' as part,
        'revenue_year_before' as concept,
        current_values.provider_precedence,
        current_values.period_end_date,
        values_known.route,
        values_known.value,
        greatest(current_values.valid_from, values_known.valid_from) as valid_from,
        least(current_values.valid_to, values_known.known_to) as valid_to
    from current_values
    inner join values_known
        on
            current_values.instrument_id = values_known.instrument_id
            and current_values.provider = values_known.provider
            and current_values.currency = values_known.currency
            and current_values.concept = values_known.concept
            and abs(
                cast(current_values.period_end_date - interval 1 year as date)
                - values_known.period_end_date
            ) <= 7
    where current_values.concept = 'revenue'
),

pieces as (
    select * from current_values
    where valid_from < valid_to
    union all
    select * from earlier_revenues
    where valid_from < valid_to
),

moments as (
    select
        instrument_id,
        valid_from as known_at
    from pieces
    union
    select
        instrument_id,
        valid_to as known_at
    from pieces
    where valid_to < {{ never }}
),

known as (
    select
        moments.known_at,
        pieces.*
    from moments
    inner join pieces
        on
            moments.instrument_id = pieces.instrument_id
            and moments.known_at >= pieces.valid_from
            and moments.known_at < pieces.valid_to
    qualify
        row_number() over (
            partition by
                moments.instrument_id, moments.known_at, pieces.provider, pieces.currency,
                pieces.concept
            order by pieces.route, pieces.value
        ) = 1
),

share_counts as (
    select
        instrument_id,
        known_at,
        provider,
        max(value) filter (where part = 'shares') as shares_outstanding,
        max(period_end_date) filter (where part = 'shares') as shares_outstanding_date,
        max(value) filter (where part = 'weighted_shares') as weighted_shares,
        max(period_end_date) filter (where part = 'weighted_shares') as weighted_shares_date
    from known
    where part in ('shares', 'weighted_shares')
    group by instrument_id, known_at, provider
),

sources as (
    select
        {% for concept in concepts %}
        max(value) filter (where concept = '{{ concept }}') as {{ concept }},
        {% endfor %}
        max(value) filter (where concept = 'revenue_year_before') as revenue_year_before,
        max(period_end_date) filter (where part = 'income') as income_date,
        max(period_end_date) filter (where part = 'cash_flow') as cash_flow_date,
        max(period_end_date) filter (where part = 'balance') as balance_date,
        max(period_end_date) as latest_date,
        count(*) filter (where part <> 'year_before') as figure_count,
        instrument_id,
        known_at,
        provider,
        provider_precedence,
        currency
    from known
    where part in ('income', 'cash_flow', 'balance', 'year_before')
    group by instrument_id, known_at, provider, provider_precedence, currency
),

-- All figures of a row are of one vendor in one currency.
chosen as (
    select *
    from sources
    qualify
        row_number() over (
            partition by instrument_id, known_at
            order by latest_date desc, provider_precedence asc, figure_count desc, currency asc
        ) = 1
),

described as (
    select
        moments.instrument_id,
        moments.known_at,
        chosen.provider,
        nullif(chosen.currency, '') as currency,
        chosen.income_date as income_period_end_date,
        chosen.revenue as revenue_ttm,
        chosen.revenue_year_before as revenue_ttm_year_before,
        coalesce(chosen.gross_profit, chosen.revenue - chosen.cost_of_revenue) as gross_profit_ttm,
        chosen.operating_income as operating_income_ttm,
        chosen.net_income as net_income_ttm,
        chosen.eps_diluted as eps_diluted_ttm_forward,
        chosen.cash_flow_date as cash_flow_period_end_date,
        chosen.operating_cash_flow as operating_cash_flow_ttm,
        chosen.capital_expenditure as capital_expenditure_ttm,
        chosen.operating_cash_flow - chosen.capital_expenditure as free_cash_flow_ttm,
        chosen.depreciation_and_amortization as depreciation_and_amortization_ttm,
        chosen.balance_date,
        chosen.total_assets,
        chosen.current_assets,
        chosen.total_liabilities,
        chosen.current_liabilities,
        chosen.total_equity,
        coalesce(
            chosen.total_debt,
            chosen.short_term_debt + chosen.long_term_debt,
            chosen.short_term_debt,
            chosen.long_term_debt
        ) as total_debt,
        chosen.cash,
        coalesce(share_counts.shares_outstanding, share_counts.weighted_shares)
            as shares_outstanding_forward,
        case
            when share_counts.shares_outstanding is not null
                then share_counts.shares_outstanding_date
            else share_counts.weighted_shares_date
        end as shares_outstanding_date,
        case
            when share_counts.shares_outstanding is not null then 'outstanding'
            when share_counts.weighted_shares is not null then 'weighted_average'
        end as shares_basis
    from moments
    left join chosen
        on
            moments.instrument_id = chosen.instrument_id
            and moments.known_at = chosen.known_at
    left join share_counts
        on
            chosen.instrument_id = share_counts.instrument_id
            and chosen.known_at = share_counts.known_at
            and chosen.provider = share_counts.provider
),

compared as (
    select
        *,
        row(
            {% for column in known_columns %}
            {{ column }}{{ ',' if not loop.last }}
            {% endfor %}
        ) as said
    from described
),

-- Also when nothing is left that is not stale: that ends a row and begins none.
changed as (
    select
        *,
        known_at as valid_from
    from compared
    qualify
        said is distinct from lag(said) over (partition by instrument_id order by known_at)
        or row_number() over (partition by instrument_id order by known_at) = 1
),

intervals as (
    select
        *,
        lead(valid_from, 1, {{ never }}) over (partition by instrument_id order by valid_from)
            as valid_to
    from changed
),

final as (
    select
        {% for column in known_columns %}
        {{ column }},
        {% endfor %}
        instrument_id,
        valid_from,
        valid_to
    from intervals
    where provider is not null
)

select * from final
order by instrument_id, valid_from
