with records as (
    select * from {{ run_records({
        'build_id': 'varchar',
        'soda': 'struct("table" varchar, name varchar, outcome varchar, value double, detail varchar, failing_keys varchar[])[]',
    }) }}
),

checks as (
    select
        build_id,
        unnest(soda) as check_result
    from records
),

final as (
    select
        build_id,
        -- Unquoted, `table` is a keyword here.
        check_result."table" as table_name, -- noqa: RF06
        check_result.name as check_name,
        check_result.outcome,
        check_result.value as measured_value,
        check_result.detail,
        check_result.failing_keys
    from checks
)

select * from final
order by build_id, table_name, check_name
