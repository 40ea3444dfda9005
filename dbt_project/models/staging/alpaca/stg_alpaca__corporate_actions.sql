with source as (
    select * from {{ lake_source('alpaca', 'corporate_actions') }}
),

numbers as (
    select
        *,
        try_cast(rate as double) as shares,
        try_cast(new_rate as double) as new_shares,
        try_cast(old_rate as double) as old_shares,
        try_cast(source_rate as double) as source_shares,
        try_cast(acquirer_rate as double) as acquirer_shares,
        try_cast(acquiree_rate as double) as acquiree_shares
    from source
),

-- Each type fills columns of its own.
actions as (
    select
        *,
        coalesce(symbol, source_symbol, old_symbol, acquiree_symbol) as concerned_symbol,
        coalesce(ex_date, effective_date, process_date) as effective_from,
        case type
            when 'forward_splits' then 'split'
            when 'reverse_splits' then 'split'
            when 'unit_splits' then 'split'
            when 'stock_dividends' then 'split'
            when 'cash_dividends' then 'dividend'
            when 'spin_offs' then 'spin_off'
            when 'name_changes' then 'name_change'
            when 'cash_mergers' then 'merger'
            when 'stock_mergers' then 'merger'
            when 'stock_and_cash_mergers' then 'merger'
            when 'rights_distributions' then 'rights'
            when 'redemptions' then 'redemption'
            when 'worthless_removals' then 'removal'
            else type
        end as action_type,
        case
            when type in ('forward_splits', 'reverse_splits', 'unit_splits')
                then new_shares / nullif(old_shares, 0)
            when type = 'stock_dividends' then 1 + shares
        end as split_ratio,
        case type
            when 'cash_dividends' then rate
            when 'cash_mergers' then rate
            when 'redemptions' then rate
            when 'stock_and_cash_mergers' then cash_rate
        end as cash,
        case
            when type = 'spin_offs' then new_shares / nullif(source_shares, 0)
            when type = 'rights_distributions' then shares
            when type in ('stock_mergers', 'stock_and_cash_mergers')
                then acquirer_shares / nullif(acquiree_shares, 0)
        end as new_share_ratio
    from numbers
),

final as (
    select
        {{ standard_corporate_action(
            symbol='concerned_symbol',
            asset_class="'equity'",
            action_type='action_type',
            ex_date='effective_from',
            ratio='split_ratio',
            amount='cash',
            currency="case when cash is not null then 'USD' end",
            new_symbol='coalesce(new_symbol, acquirer_symbol)',
            new_share_ratio='new_share_ratio'
        ) }}
    from actions
)

select * from final
