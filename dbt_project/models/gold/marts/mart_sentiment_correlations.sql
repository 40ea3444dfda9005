{%- set longest_lag = 5 -%}
{%- set fewest_pairs = 3 -%}
{#- Beyond this times the price before it, it is no return but another price. -#}
{%- set largest_outcome = '1e4' -%}

with daily_sentiment as (
    select
        *,
        row_number() over (partition by instrument_id order by session_date) as session_no
    from {{ ref('mart_sentiment_volatility') }}
),

lags as (
    select unnest(range({{ longest_lag + 1 }})) as lag_sessions
),

outcomes as (
    {%- for outcome in ['realized_volatility', 'range_volatility', 'price_return'] %}
    select
        instrument_id,
        session_no,
        '{{ outcome }}' as outcome,
        {{ outcome }} as value,
        {{ 'volatility_method' if outcome == 'realized_volatility' else 'cast(null as varchar)' }}
            as volatility_method
    from daily_sentiment
    where abs({{ outcome }}) < {{ largest_outcome }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

pairs as (
    select
        daily_sentiment.instrument_id,
        lags.lag_sessions,
        outcomes.outcome,
        outcomes.volatility_method,
        daily_sentiment.sentiment_score as score,
        outcomes.value
    from daily_sentiment
    cross join lags
    inner join outcomes
        on
            daily_sentiment.instrument_id = outcomes.instrument_id
            and daily_sentiment.session_no + lags.lag_sessions = outcomes.session_no
    where daily_sentiment.sentiment_score is not null
),

centred as (
    select
        instrument_id,
        lag_sessions,
        outcome,
        volatility_method,
        score,
        value,
        score - {{ exact_mean('score', 'over series') }} as score_deviation,
        value - {{ exact_mean('value', 'over series') }} as value_deviation
    from pairs
    window series as (partition by instrument_id, lag_sessions, outcome)
),

-- Of all instruments together, what differs from each one's own mean: levels are not compared.
samples as (
    select * from centred
    union all
    select
        '(all)' as instrument_id,
        lag_sessions,
        outcome,
        volatility_method,
        score_deviation as score,
        value_deviation as value,
        score_deviation,
        value_deviation
    from centred
),

ranked as (
    select
        *,
        {{ doubled_rank('score', 'instrument_id, lag_sessions, outcome') }} as score_rank,
        {{ doubled_rank('value', 'instrument_id, lag_sessions, outcome') }} as value_rank
    from samples
),

sums as (
    select
        instrument_id,
        lag_sessions,
        outcome,
        count(*) as pair_count,
        string_agg(distinct volatility_method, ', ' order by volatility_method)
            as volatility_methods,
        cast(sum({{ exact_fraction('score_deviation * value_deviation') }}) as double)
            as product_sum,
        cast(sum({{ exact_fraction('score_deviation * score_deviation') }}) as double)
            as score_square_sum,
        cast(sum({{ exact_fraction('value_deviation * value_deviation') }}) as double)
            as value_square_sum,
        {{ rank_correlation('score_rank', 'value_rank') }} as rank_correlation
    from ranked
    group by all
),

-- What never moved, but for rounding, moves with nothing.
correlations as (
    select
        *,
        case
            when score_square_sum > 1e-18 and value_square_sum > 1e-18
                then product_sum / sqrt(score_square_sum) / sqrt(value_square_sum)
        end as correlation
    from sums
    where pair_count >= {{ fewest_pairs }}
),

-- A perfect one may round to more.
final as (
    select
        sums.instrument_id,
        sums.outcome,
        sums.lag_sessions,
        sums.pair_count,
        case
            when abs(correlations.correlation) > 1 then sign(correlations.correlation)
            else correlations.correlation
        end as pearson,
        case
            when abs(correlations.rank_correlation) > 1 then sign(correlations.rank_correlation)
            else correlations.rank_correlation
        end as spearman,
        sums.volatility_methods
    from sums
    left join correlations
        on
            sums.instrument_id = correlations.instrument_id
            and sums.outcome = correlations.outcome
            and sums.lag_sessions = correlations.lag_sessions
)

select * from final
order by instrument_id, outcome, lag_sessions
