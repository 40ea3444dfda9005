with source as (
    select * from {{ lake_source('inbox', 'fundamentals') }}
),

final as (
    select
        {{ standard_fact(
            symbol='symbol',
            asset_class='asset_class',
            instrument_id="lower(trim(asset_class)) || ':' || nullif(trim(symbol), '')",
            statement='statement',
            concept='concept',
            period_start='period_start_date',
            period_end='period_end_date',
            fiscal_period='fiscal_period',
            value='value',
            unit='unit',
            filed_at="case when length(trim(filed_at)) <= 10 then filed_at end",
            accepted_at="case when length(trim(filed_at)) > 10 then filed_at end",
            form='form',
            filing_id='filing_id'
        ) }}
    from source
)

select * from final
