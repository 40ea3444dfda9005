{% macro standard_post(
    post_id, created_at, title, text, community='null', author='null', url='null', score='null',
    comment_count='null', edited_at='null', removed_by='null', symbols='null', asset_class='null',
    symbols_are_canonical=false, observed_at='null'
) %}
    {#-
        The columns every staging model of forum posts has, one row per record: a snapshot of a post
        as it was when fetched; `int_posts__staged` describes them.
        Arguments are SQL expressions over the lake's text columns:
          post_id         what the forum calls the post, which never changes
          created_at      seconds since 1970 (with or without a fraction), or ISO 8601
          title, text     verbatim; `[removed]` and `[deleted]` are known as such
          community       subreddit, board …
          author, url
          score           votes for less votes against, at that time
          comment_count   comments at that time
          edited_at       time of the last edit as `created_at` is given; `false` for none
          removed_by      who took it down, where the forum says
          symbols         of what it mentions: as for standard_article. For forums that do not say,
                          cashtags("title || ' ' || selftext")
          asset_class     of all symbols; NULL where they are mixed
          symbols_are_canonical   true for providers whose symbols are canonical as written
          observed_at     time of the snapshot as `created_at` is given, where it is not the time
                          we fetched it
    -#}
    _provider as provider,
    {{ sent_text(post_id) }} as post_id,
    {{ sent_text(community) }} as community,
    {{ sent_text(title) }} as title,
    {{ sent_text(text) }} as text,
    {{ sent_text(author) }} as author,
    {{ sent_text(url) }} as url,
    {{ sent_text(created_at) }} as created_text,
    {{ utc_from_document_text(created_at, is_epoch=true) }} as created_at,
    {{ utc_from_document_text(edited_at, is_epoch=true) }} as edited_at,
    {{ sent_text(removed_by) }} as removed_by,
    {{ given_number(score) }} as score_text,
    {{ given_number(comment_count) }} as comment_count_text,
    {{ whole_number(score) }} as score,
    {{ whole_number(comment_count) }} as comment_count,
    lower({{ sent_text(asset_class) }}) as asset_class,
    {{ symbol_list(symbols) }} as provider_symbols,
    {{ 'true' if symbols_are_canonical else 'false' }} as symbols_are_canonical,
    {{ sent_text(observed_at) }} as observed_text,
    case
        when {{ sent_text(observed_at) }} is null then cast(_fetched_at as timestamp)
        else {{ utc_from_document_text(observed_at, is_epoch=true) }}
    end as observed_at,
    {{ lineage() }}
{%- endmacro %}


{% macro cashtags(text) %}
    {#- JSON list text of the symbols written as `$AAPL` or `$BRK.B` in a text. -#}
    cast(to_json(list_distinct(regexp_extract_all(
        coalesce({{ text }}, ''), '(?:^|[^A-Za-z0-9$])\$([A-Z]{1,5}(?:\.[A-Z])?)\b', 1
    ))) as varchar)
{%- endmacro %}


{% macro whole_number(text) %}
    {#- Read text as a whole number, or NULL; `12.0` is one, `12.5` is not. -#}
    case
        when try_cast({{ text }} as double) = floor(try_cast({{ text }} as double))
            then try_cast({{ text }} as bigint)
    end
{%- endmacro %}
