with records as (
    select * from {{ run_records({
        'build_id': 'varchar',
        'started_at': 'varchar',
        'finished_at': 'varchar',
        'status': 'varchar',
        'base_version': 'varchar',
        'rules_fingerprint': 'varchar',
        'as_of': 'varchar',
        'is_full_refresh': 'boolean',
        'error': 'varchar',
        'checks_passed': 'bigint',
        'checks_warned': 'bigint',
        'checks_failed': 'bigint',
    }) }}
),

final as (
    select
        build_id,
        {{ utc_timestamp('started_at') }} as started_at,
        {{ utc_timestamp('finished_at') }} as finished_at,
        status,
        base_version,
        rules_fingerprint,
        {{ utc_timestamp('as_of') }} as as_of,
        is_full_refresh,
        error,
        checks_passed,
        checks_warned,
        checks_failed
    from records
)

select * from final
order by build_id
