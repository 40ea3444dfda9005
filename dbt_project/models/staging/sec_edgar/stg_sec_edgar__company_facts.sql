with source as (
    select * from {{ lake_source('sec_edgar', 'company_facts') }}
),

-- Fiscal year and period are those of the filing, also on what it repeats of the year before: the
-- dates alone tell the period.
final as (
    select
        {{ standard_fact(
            symbol='_symbol',
            concept="taxonomy || ':' || concept",
            period_start='period_start',
            period_end='period_end',
            value='val',
            unit='unit',
            filed_at='filed',
            form='form',
            filing_id='accn'
        ) }}
    from source
)

select * from final
