{{ config(schema='staging') }}
{#-
    Compares with tables that are built after this one, as the last build left them; they are named
    rather than referenced because a reference would be a cycle. Their absence means a first build.
-#}
with symbol_map as (
    select * from {{ ref('int_instruments__symbol_map') }}
),

applied as (
    select * from ops.applied_symbol_map
),

{%- set has_series = relation_exists('silver', 'int_bars__series') %}
{%- set has_quarantine = relation_exists('silver', 'bars_quarantined') %}
{% if has_series and has_quarantine %}
held as (
    select distinct
        provider,
        provider_symbol
    from silver.int_bars__series
    union
    select distinct
        provider,
        provider_symbol
    from silver.bars_quarantined
),
{% else %}
held as (
    select
        '' as provider,
        '' as provider_symbol
    where false
),
{% endif %}

changed as (
    (
        select * from symbol_map
        except
        select * from applied
    )
    union all
    (
        select * from applied
        except
        select * from symbol_map
    )
),

final as (
    select distinct
        changed.provider,
        changed.provider_symbol
    from changed
    semi join held
        on
            changed.provider = held.provider
            and changed.provider_symbol = held.provider_symbol
)

select * from final
order by provider, provider_symbol
