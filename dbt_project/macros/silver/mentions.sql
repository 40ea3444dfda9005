{% macro mentions_of(documents, moment, scores='null') %}
    {#-
        What the documents of a CTE mention, as CTEs of which the last is `mentions`: one row per
        document (`_batch_id`, `_row`) that mentions anything, with `mentions`, a list of (symbol,
        instrument_id, score, relevance, label) in the order of the symbols. `moment` is the time at
        which a symbol means what it means, `scores` JSON text from standard_sentiment_scores().
        A symbol is an instrument when the vendor's listings have exactly one by that name then; `BTC`
        alone may be a coin or a share, and is a coin only where the vendor says that it is one.
    -#}
    mentioned as (
        select
            _batch_id,
            _row,
            provider,
            asset_class,
            symbols_are_canonical,
            {{ moment }} as mentioned_at,
            cast(
                try_cast({{ scores }} as json) as struct(
                    symbol varchar, score varchar, relevance varchar, label varchar
                )[]
            ) as scores,
            unnest(provider_symbols) as symbol
        from {{ documents }}
    ),

    distinct_symbols as (
        select distinct
            provider,
            asset_class,
            symbols_are_canonical,
            symbol,
            case
                when starts_with(symbol, 'CRYPTO:') then 'crypto'
                when starts_with(symbol, 'FOREX:') then 'fx'
                else asset_class
            end as known_asset_class,
            {{ mentioned_as('symbol') }} as mentioned_as
        from mentioned
    ),

    meanings as (
        select
            distinct_symbols.provider,
            distinct_symbols.asset_class,
            distinct_symbols.symbols_are_canonical,
            distinct_symbols.symbol,
            any_value(
                case when distinct_symbols.symbols_are_canonical then asset_classes.asset_class end
            ) || ':' || distinct_symbols.symbol as canonical_instrument_id,
            list({
                'instrument_id': symbol_map.instrument_id,
                'valid_from': symbol_map.valid_from,
                'valid_to': symbol_map.valid_to
            }) filter (where symbol_map.instrument_id is not null) as instruments
        from distinct_symbols
        left join {{ ref('asset_classes') }} as asset_classes
            on distinct_symbols.asset_class = asset_classes.asset_class
        left join {{ ref('int_news__symbol_map') }} as symbol_map
            on
                distinct_symbols.provider = symbol_map.provider
                and distinct_symbols.mentioned_as = symbol_map.mentioned_as
                and (
                    distinct_symbols.known_asset_class = symbol_map.asset_class
                    or (
                        distinct_symbols.known_asset_class is null and not symbol_map.is_coin
                    )
                )
        group by
            distinct_symbols.provider, distinct_symbols.asset_class,
            distinct_symbols.symbols_are_canonical, distinct_symbols.symbol
    ),

    meant as (
        select
            mentioned._batch_id,
            mentioned._row,
            mentioned.symbol,
            meanings.canonical_instrument_id,
            list_distinct(list_transform(
                list_filter(
                    meanings.instruments,
                    lambda each:
                        mentioned.mentioned_at >= each.valid_from
                        and mentioned.mentioned_at < each.valid_to
                ),
                lambda each: each.instrument_id
            )) as instrument_ids,
            list_filter(mentioned.scores, lambda each: each.symbol = mentioned.symbol)[1] as said
        from mentioned
        inner join meanings
            on
                mentioned.provider = meanings.provider
                and mentioned.asset_class is not distinct from meanings.asset_class
                and mentioned.symbols_are_canonical = meanings.symbols_are_canonical
                and mentioned.symbol = meanings.symbol
    ),

    mentions as (
        select
            _batch_id,
            _row,
            list_sort(list(struct_pack(
                symbol,
                instrument_id := coalesce(
                    canonical_instrument_id,
                    case when len(instrument_ids) = 1 then instrument_ids[1] end
                ),
                score := try_cast({{ given_number('said.score') }} as double),
                relevance := try_cast({{ given_number('said.relevance') }} as double),
                label := said.label
            ))) as mentions
        from meant
        group by _batch_id, _row
    )
{%- endmacro %}


{% macro mentioned_as(symbol) -%}
    {#- A symbol as the symbol map has it, without the asset class that a vendor says before it. -#}
    regexp_replace({{ symbol }}, '^(CRYPTO|FOREX):', '')
{%- endmacro %}


{% macro mentioned_instruments(mentions) -%}
    {#- The instruments in a list of mentions, in order and each once. -#}
    coalesce(
        list_sort(list_distinct(list_filter(
            list_transform({{ mentions }}, lambda mention: mention.instrument_id),
            lambda instrument_id: instrument_id is not null
        ))),
        []
    )
{%- endmacro %}


{% macro unmapped_mentions(mentions) -%}
    {#- The symbols in a list of mentions that are no instrument, in order. -#}
    coalesce(
        list_transform(
            list_filter({{ mentions }}, lambda mention: mention.instrument_id is null),
            lambda mention: mention.symbol
        ),
        []
    )
{%- endmacro %}


{% macro has_unreadable_scores(symbol_scores) -%}
    {#- Whether any score of `standard_sentiment_scores` is text that is no finite number. -#}
    {{ symbol_scores }} is not null
    and len(list_filter(
        json_extract_string({{ symbol_scores }}, '$[*].score'),
        lambda score:
            {{ given_number('score') }} is not null
            and not coalesce(isfinite(try_cast(score as double)), false)
    )) > 0
{%- endmacro %}


{% macro has_scores_out_of_range(symbol_scores) -%}
    {#- Whether any score of `standard_sentiment_scores` is a number below -1 or above 1. -#}
    {{ symbol_scores }} is not null
    and len(list_filter(
        json_extract_string({{ symbol_scores }}, '$[*].score'),
        lambda score: abs(try_cast(score as double)) > 1
    )) > 0
{%- endmacro %}
