{% macro currency_rates(needs, max_age_days=none) %}
    {#-
        CTEs, the last of them `currency_rates`: for each row of `needs` (from_currency, to_currency,
        needed_at) the rate at the last final bar known by then, of fx or crypto instruments.

        From the pair itself, else from its inverse, else through US dollars. With `max_age_days` none
        older than that; without, an old one where there is no fresh one (of `currency_rate_max_age_days`),
        the newest of several. Needs without a rate are left out.
    -#}
    {%- set fresh_days = var('currency_rate_max_age_days') -%}
    legs as (
        select
            from_currency as base_currency,
            to_currency as quote_currency,
            needed_at
        from {{ needs }}
        union
        select
            from_currency as base_currency,
            'USD' as quote_currency,
            needed_at
        from {{ needs }}
        where from_currency <> 'USD' and to_currency <> 'USD'
        union
        select
            'USD' as base_currency,
            to_currency as quote_currency,
            needed_at
        from {{ needs }}
        where from_currency <> 'USD' and to_currency <> 'USD'
    ),

    pairs as (
        select distinct
            base_currency || '/' || quote_currency as pair
        from legs
        union
        select distinct
            quote_currency || '/' || base_currency as pair
        from legs
    ),

    -- What a correction replaced held until it was told.
    known as (
        select * from {{ ref('int_bars__known') }}
        where
            asset_class in ('crypto', 'fx')
            and split_part(instrument_id, ':', 2) in (select pair from pairs)
    ),

    told_closes as (
        select
            bars.instrument_id,
            bars.asset_class,
            bars.timeframe,
            bars.bar_end_at,
            bars.close,
            bars.available_at
        from {{ ref('bars') }} as bars
        anti join known
            on
                bars.instrument_id = known.instrument_id
                and bars.timeframe = known.timeframe
                and bars.bar_start_at = known.bar_start_at
        where
            bars.is_final
            and bars.asset_class in ('crypto', 'fx')
            and split_part(bars.instrument_id, ':', 2) in (select pair from pairs)
        union all
        select
            instrument_id,
            asset_class,
            timeframe,
            bar_end_at,
            close,
            known_from as available_at
        from known
    ),

    -- Of bars that end together the shortest counts, of FX before crypto.
    pair_bars as (
        select
            split_part(told_closes.instrument_id, ':', 2) as pair,
            told_closes.available_at,
            told_closes.bar_end_at,
            told_closes.close,
            rank() over (
                partition by
                    split_part(told_closes.instrument_id, ':', 2),
                    told_closes.bar_end_at
                order by told_closes.asset_class desc, timeframes.seconds asc
            ) as place
        from told_closes
        inner join {{ ref('timeframes') }} as timeframes
            on told_closes.timeframe = timeframes.timeframe
        where told_closes.close > 0
    ),

    newest_bars as (
        select *
        from pair_bars
        qualify
            row_number() over (
                partition by pair, available_at
                order by bar_end_at desc, place asc
            ) = 1
    ),

    -- A bar that was told later than a newer one was never the last. One that was told again is
    -- what was said of it last.
    last_bars as (
        select *
        from newest_bars
        qualify bar_end_at = max(bar_end_at) over (partition by pair order by available_at)
    ),

    closes as (
        select
            split_part(pair, '/', 1) as base_currency,
            split_part(pair, '/', 2) as quote_currency,
            available_at,
            bar_end_at,
            close
        from last_bars
        qualify place = min(place) over (partition by pair, bar_end_at order by available_at)
    ),

    leg_closes as (
        select
            legs.*,
            0 as detour,
            closes.bar_end_at as rate_at,
            closes.close as rate
        from legs
        asof inner join closes
            on
                legs.base_currency = closes.base_currency
                and legs.quote_currency = closes.quote_currency
                and legs.needed_at >= closes.available_at
        union all
        select
            legs.*,
            1 as detour,
            closes.bar_end_at as rate_at,
            1 / closes.close as rate
        from legs
        asof inner join closes
            on
                legs.base_currency = closes.quote_currency
                and legs.quote_currency = closes.base_currency
                and legs.needed_at >= closes.available_at
    ),

    leg_rates as (
        select
            *,
            rate_at >= needed_at - interval {{ fresh_days }} day as is_fresh
        from leg_closes
        {% if max_age_days is not none %}
        where rate_at >= needed_at - interval {{ max_age_days }} day
        {% endif %}
        qualify
            row_number() over (
                partition by base_currency, quote_currency, needed_at
                order by
                    is_fresh desc,
                    case when is_fresh then detour end asc,
                    rate_at desc,
                    detour asc
            ) = 1
    ),

    candidate_rates as (
        select
            needs.from_currency,
            needs.to_currency,
            needs.needed_at,
            leg_rates.rate,
            leg_rates.rate_at,
            leg_rates.is_fresh,
            case when leg_rates.detour = 0 then 'direct' else 'inverse' end as method
        from {{ needs }} as needs
        inner join leg_rates
            on
                needs.from_currency = leg_rates.base_currency
                and needs.to_currency = leg_rates.quote_currency
                and needs.needed_at = leg_rates.needed_at
        union all
        select
            needs.from_currency,
            needs.to_currency,
            needs.needed_at,
            into_usd.rate * out_of_usd.rate as rate,
            least(into_usd.rate_at, out_of_usd.rate_at) as rate_at,
            into_usd.is_fresh and out_of_usd.is_fresh as is_fresh,
            'through_usd' as method
        from {{ needs }} as needs
        inner join leg_rates as into_usd
            on
                needs.from_currency = into_usd.base_currency
                and into_usd.quote_currency = 'USD'
                and needs.needed_at = into_usd.needed_at
        inner join leg_rates as out_of_usd
            on
                out_of_usd.base_currency = 'USD'
                and needs.to_currency = out_of_usd.quote_currency
                and needs.needed_at = out_of_usd.needed_at
        where needs.from_currency <> 'USD' and needs.to_currency <> 'USD'
    ),

    currency_rates as (
        select
            from_currency,
            to_currency,
            needed_at,
            {{ exact_number('rate') }} as rate,
            rate_at,
            method
        from candidate_rates
        where {{ exact_number('rate') }} > 0
        qualify
            row_number() over (
                partition by from_currency, to_currency, needed_at
                order by
                    is_fresh desc,
                    case when is_fresh then method = 'through_usd' end asc,
                    rate_at desc,
                    method asc
            ) = 1
    )
{%- endmacro %}
