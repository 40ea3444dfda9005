with lots as (
    select * from {{ ref('int_lots__matched') }}
),

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
    where action_type = 'dividend'
),

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

last_closes as (
    select
        instrument_id,
        max(date) as date
    from {{ ref('int_trading__closes') }}
    group by instrument_id
),

-- Without a close, positions are marked to the account's last execution.
last_executions as (
    select
        lots.account_id,
        lots.instrument_id,
        cast(max(coalesce(lots.closed_at, lots.opened_at)) as date) as date
    from lots
    anti join last_closes on lots.instrument_id = last_closes.instrument_id
    group by all
),

-- Who held a share when its ex-date began, where it is traded, gets the dividend.
dividends as (
    select
        corporate_actions.instrument_id,
        corporate_actions.ex_date,
        {{ utc_from_local(
            'cast(corporate_actions.ex_date as timestamp)', 'asset_classes.time_zone'
        ) }} as effective_at,
        corporate_actions.dividend_amount,
        corporate_actions.dividend_currency,
        coalesce(share_units.units_per_share, 1) as units_per_share,
        last_closes.date as last_close_date
    from corporate_actions
    inner join asset_classes
        on split_part(corporate_actions.instrument_id, ':', 1) = asset_classes.asset_class
    left join share_units
        on
            corporate_actions.instrument_id = share_units.instrument_id
            and corporate_actions.ex_date >= share_units.valid_from
            and corporate_actions.ex_date < share_units.valid_to
    left join last_closes on corporate_actions.instrument_id = last_closes.instrument_id
),

earned as (
    select
        lots.lot_id,
        lots.account_id,
        lots.strategy,
        lots.instrument_id,
        dividends.ex_date,
        coalesce(dividends.dividend_currency, lots.quote_currency) as currency,
        lots.base_currency,
        dividends.effective_at,
        dividends.dividend_amount,
        case lots.direction when 'long' then 1 else -1 end
        * {{ exact_quotient('lots.units', 'dividends.units_per_share') }} as quantity
    from lots
    inner join dividends
        on
            lots.instrument_id = dividends.instrument_id
            and lots.opened_at < dividends.effective_at
            and (
                lots.closed_at >= dividends.effective_at
                or lots.closed_at is null
            )
    left join last_executions
        on
            lots.account_id = last_executions.account_id
            and lots.instrument_id = last_executions.instrument_id
    where
        lots.closed_at is not null
        or dividends.ex_date <= coalesce(dividends.last_close_date, last_executions.date)
),

needs as (
    select distinct
        currency as from_currency,
        base_currency as to_currency,
        effective_at as needed_at
    from earned
    where currency <> base_currency
),

{{ currency_rates('needs') }},

converted as (
    select
        earned.*,
        case when earned.currency = earned.base_currency then 1 else currency_rates.rate end
            as rate
    from earned
    left join currency_rates
        on
            earned.currency = currency_rates.from_currency
            and earned.base_currency = currency_rates.to_currency
            and earned.effective_at = currency_rates.needed_at
),

final as (
    select
        lot_id,
        account_id,
        strategy,
        instrument_id,
        ex_date,
        quantity,
        dividend_amount,
        currency,
        base_currency,
        rate,
        {{ reasons([
            ('too_large', 'not dividend_amount < 1e12'),
            ('no_currency_rate', 'rate is null'),
        ]) }} as reasons
    from converted
)

select * from final
order by ex_date, instrument_id, account_id, lot_id
