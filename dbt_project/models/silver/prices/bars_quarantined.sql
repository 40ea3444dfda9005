-- depends_on: {{ ref('int_bars__touched_sessions') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='_batch_id',
    tags=['bars_family']
) }}

with records as (
    select
        *,
        {{ reasons(bar_rules()) }} as reasons
    from {{ ref('int_bars__records') }}
    where not {{ is_clean(bar_rules()) }}
    {% if is_incremental() %}
        and {{ in_batches('_batch_id', unprocessed_batches()) }}
    {% endif %}
),

batches as (
    select * from {{ ref('build_batches') }}
),

final as (
    select
        records.provider,
        records.provider_symbol,
        records.instrument_id,
        records.timeframe,
        records.bar_start_at,
        records.session_date,
        records.reasons,
        cast(to_json(struct_pack(
            symbol := records.provider_symbol,
            asset_class := records.asset_class,
            timeframe := records.timeframe,
            bar_start_at := records.start_text,
            open := records.open_text,
            high := records.high_text,
            low := records.low_text,
            close := records.close_text,
            volume := records.volume_text,
            adj_close := records.adj_close_text,
            vwap := records.vwap_text,
            trade_count := records.trade_count_text,
            extra := records._extra
        )) as varchar) as original,
        batches.file,
        records._symbol,
        records._fetched_at,
        records._batch_id,
        records._row
    from records
    inner join batches on records._batch_id = batches.batch_id
)

select * from final
