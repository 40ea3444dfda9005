{% macro alpaca_stock_bars(provider) %}
    {#- Stock bars of one feed of Alpaca: both send the same, of markets of their own. -#}
with source as (
    select * from {{ lake_source(provider, 'bars') }}
),

-- A day starts at midnight in New York.
labelled as (
    {{ labelled_by_session('source', 'time', 'America/New_York') }}
),

final as (
    select
        {{ standard_bar(
            asset_class="'equity'",
            symbol='coalesce(stream_symbol, _symbol)',
            timeframe='_timeframe',
            start='time',
            start_at='labelled_at',
            vwap='vwap',
            trade_count='trade_count'
        ) }}
    from labelled
)

select * from final
{%- endmacro %}


{% macro alpaca_stock_trades(provider) %}
    {#- Trades of stocks in one feed of Alpaca, as printed, corrected and cancelled. -#}
with source as (
    select * from {{ lake_source(provider, 'trades') }}
),

-- A number is unique to its exchange and day.
prefixed as (
    select
        *,
        strftime({{ local_timestamp(utc_timestamp('time'), "'America/New_York'") }}, '%Y-%m-%d')
        || ':' || coalesce(exchange, '') || ':' as prefix
    from source
),

final as (
    select {{ alpaca_trade("'equity'", id_prefix='prefix || ') }}
    from prefixed
)

select * from final
{%- endmacro %}


{% macro alpaca_trade(asset_class, id_prefix='', side='null') %}
    {#-
        The columns of a trade; a correction (`c`) has what was corrected in columns of its own.
        `id_prefix` goes before numbers that are not unique.
    -#}
    {{ standard_trade(
        asset_class=asset_class,
        symbol='stream_symbol',
        trade_id=id_prefix ~ 'coalesce(trade_id, corrected_trade_id)',
        traded_at='time',
        price='coalesce(price, corrected_price)',
        size='coalesce(size, corrected_size)',
        side=side,
        conditions='coalesce(conditions, corrected_conditions)',
        kind="case message_type when 't' then 'trade' when 'c' then 'correction'"
        ~ " when 'x' then 'cancel' else message_type end",
        original_trade_id=id_prefix ~ 'original_trade_id'
    ) }}
{%- endmacro %}


{% macro alpaca_quotes(provider, asset_class) %}
    {#- The best bid and offer in one feed of Alpaca. -#}
with source as (
    select * from {{ lake_source(provider, 'quotes') }}
),

final as (
    select
        {{ standard_quote(
            asset_class=asset_class,
            symbol='stream_symbol',
            quoted_at='time',
            bid_price='bid_price',
            bid_size='bid_size',
            ask_price='ask_price',
            ask_size='ask_size'
        ) }}
    from source
)

select * from final
{%- endmacro %}
