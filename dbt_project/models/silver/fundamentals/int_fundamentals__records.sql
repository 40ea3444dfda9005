{#- A view that reads the lake: it lives with staging and, like staging, is not published. -#}
{{ config(materialized='view', schema='staging') }}

with facts as (
    select
        *,
        false as is_statement
    from {{ ref('int_facts__staged') }}
),

statements as (
    select
        *,
        true as is_statement
    from {{ ref('int_statements__staged') }}
),

records as (
    select * from facts
    union all by name
    select * from statements
),

asset_classes as (
    select * from {{ ref('asset_classes') }}
),

symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

final as (
    select
        records.*,
        coalesce(records.given_instrument_id, symbol_map.instrument_id) as instrument_id,
        {{ reasons([
            (
                'missing_value',
                'records.provider_symbol is null or records.period_end_text is null'
                ~ ' or (is_statement and items is null)'
                ~ ' or (not is_statement and (vendor_concept is null or value_text is null))'
            ),
            ('not_a_number', 'value_text is not null and not coalesce(isfinite(value), false)'),
            ('not_readable', "coalesce(json_type(try_cast(items as json)), 'NULL') <> 'OBJECT'"
                ~ ' and items is not null'),
            (
                'unreadable_time',
                '(period_start_text is not null and period_start_date is null)'
                ~ ' or (period_end_text is not null and period_end_date is null)'
                ~ ' or (filed_text is not null and filed_date is null)'
                ~ ' or (accepted_text is not null and accepted_at is null)'
            ),
            ('ends_before_start', 'period_end_date < period_start_date'),
            (
                'time_in_future',
                'accepted_at > records._fetched_at'
                ~ ' or filed_date > cast(records._fetched_at as date)'
            ),
            ('unknown_asset_class', 'asset_classes.asset_class is null'),
            (
                'unmapped_symbol',
                'records.provider_symbol is not null and asset_classes.asset_class is not null'
                ~ ' and period_end_date is not null'
                ~ ' and coalesce(records.given_instrument_id, symbol_map.instrument_id) is null'
            ),
        ]) }} as reasons
    from records
    left join asset_classes on records.asset_class = asset_classes.asset_class
    -- Vendors name a company by the symbol it has when asked, whatever the period.
    left join symbol_map
        on
            records.provider = symbol_map.provider
            and records.provider_symbol = symbol_map.provider_symbol
            and records.asset_class = symbol_map.asset_class
            and records._fetched_at >= symbol_map.valid_from
            and records._fetched_at < symbol_map.valid_to
)

select * from final
