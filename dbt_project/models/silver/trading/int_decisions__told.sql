-- depends_on: {{ ref('int_trading__revisions') }}
{{ config(schema='staging', tags=['trading_family']) }}
{%- set only_new = takes_in_only_new(['decisions']) -%}
{%- set new_batches = unprocessed_batches(['decisions']) -%}
{%- set is_new = in_batches('_batch_id', new_batches) if only_new else 'true' -%}
{%- set told = decision_content() | join(', ') %}

with records as (
    select * from {{ ref('int_decisions__records') }}
    where len(reasons) = 0 and {{ is_new }}
),

-- A decision told again replaces what was said of it before.
latest as (
    select {{ told }}
    from records
    qualify
        row_number() over (
            partition by decision_id
            order by _fetched_at desc, _batch_id desc, _row desc
        ) = 1
),

final as (
    select * from latest
    {% if only_new %}
    union all
    -- As the last build left them: named, as the table is built from this.
    select {{ told }}
    from silver.decision_history
    {% endif %}
)

select * from final
