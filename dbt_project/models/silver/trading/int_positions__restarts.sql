{{ config(schema='staging', tags=['trading_family']) }}

with changed_executions as (
    select * from {{ ref('int_executions__changed') }}
),

share_units as (
    select * from {{ ref('int_trading__share_units') }}
),

executions as (
    select * from {{ ref('executions') }}
),

{% if not execute or family_goes_on('trading') %}
changed_units as (
    select distinct instrument_id
    from ({{ changed_since_applied('share_units') }}) as changed
),
{% else %}
changed_units as (
    select cast(null as varchar) as instrument_id
    where false
),
{% endif %}

changed_positions as (
    select
        account_id,
        instrument_id,
        min(executed_at) as changed_from
    from changed_executions
    group by account_id, instrument_id
),

-- Where units are rounded, each place in the line follows from all before it.
rounded as (
    select distinct instrument_id from share_units
    where unit_step is not null
),

restarts as (
    select
        changed_positions.account_id,
        changed_positions.instrument_id,
        case
            when rounded.instrument_id is null then changed_positions.changed_from
            else timestamp '0001-01-01'
        end as restart_at
    from changed_positions
    left join rounded on changed_positions.instrument_id = rounded.instrument_id
    union all
    select distinct
        executions.account_id,
        executions.instrument_id,
        timestamp '0001-01-01' as restart_at
    from executions
    semi join changed_units on executions.instrument_id = changed_units.instrument_id
),

final as (
    select
        account_id,
        instrument_id,
        min(restart_at) as restart_at
    from restarts
    group by account_id, instrument_id
)

select * from final
order by account_id, instrument_id
