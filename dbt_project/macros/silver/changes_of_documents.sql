{% macro changes_of_documents(records, document_id, told_at, content, last_of_moment) %}
    {#-
        Which records of documents (articles, posts) make a version, as CTEs:
          stored     the current versions, as the last build left them, of documents that the records
                     tell of; none where all is built anew
          told_once  the records of documents that are told once and are not stored: version 1
          changes    of the others, those that say something else than what was said before
          retold     by stored document, when it was last told again as it is stored (`_last_told_at`)
        `told_once` and `changes` are records with `version_no`, `_content_hash` and `_last_told_at`.

        The records must be later tellings than all that is stored (`int_news__revisions`).
          records         CTE of accepted records
          document_id     its column of what the provider calls the document
          told_at         its column of the time as of which a record tells of the document
          content         its columns that make another version when they change
          last_of_moment  order by which the first of those told as of one time counts
    -#}
    {%- set document = 'provider, ' ~ document_id -%}
    stored as (
        {% if is_incremental() %}
        select stored.*
        from {{ this }} as stored
        semi join {{ records }} as records
            on
                stored.provider = records.provider
                and stored.{{ document_id }} = records.{{ document_id }}
        where stored.is_current
        {% else %}
        select
            cast(null as varchar) as provider,
            cast(null as varchar) as {{ document_id }},
            cast(null as integer) as version_no,
            cast(null as varchar) as _content_hash
        where false
        {% endif %}
    ),

    -- Most documents are told once: only the others need to be compared.
    repeated as (
        select {{ document }}
        from {{ records }}
        group by {{ document }}
        having count(*) > 1
        union
        select {{ document }} from stored
    ),

    hashed as (
        select
            *,
            {{ surrogate_key(content) }} as _content_hash
        from {{ records }}
    ),

    told_once as (
        select
            hashed.*,
            1 as version_no,
            hashed.{{ told_at }} as _last_told_at
        from hashed
        anti join repeated
            on
                hashed.provider = repeated.provider
                and hashed.{{ document_id }} = repeated.{{ document_id }}
    ),

    told as (
        select hashed.*
        from hashed
        semi join repeated
            on
                hashed.provider = repeated.provider
                and hashed.{{ document_id }} = repeated.{{ document_id }}
        qualify
            row_number() over (
                partition by hashed.provider, hashed.{{ document_id }}, hashed.{{ told_at }}
                order by {{ last_of_moment }}
            ) = 1
    ),

    compared as (
        select
            told.*,
            coalesce(stored.version_no, 0) as stored_version_no,
            coalesce(
                lag(told._content_hash) over (
                    partition by told.provider, told.{{ document_id }}
                    order by told.{{ told_at }}
                ),
                stored._content_hash
            ) as previous_hash
        from told
        left join stored
            on
                told.provider = stored.provider
                and told.{{ document_id }} = stored.{{ document_id }}
    ),

    numbered as (
        select
            *,
            stored_version_no
            + count(*) filter (where _content_hash is distinct from previous_hash) over (
                partition by {{ document }}
                order by {{ told_at }}
            ) as version_no
        from compared
    ),

    dated as (
        select
            *,
            max({{ told_at }}) over (partition by {{ document }}, version_no) as _last_told_at
        from numbered
    ),

    changes as (
        select * exclude (stored_version_no, previous_hash)
        from dated
        where _content_hash is distinct from previous_hash
    ),

    retold as (
        select distinct
            {{ document }},
            _last_told_at
        from dated
        where version_no = stored_version_no
    )
{%- endmacro %}


{% macro stored_versions_now(versions, document_id) %}
    {#- The rows of `stored`, with what tells them from the CTE of new `versions` that follow them. -#}
    select
        stored.* replace (
            coalesce(retold._last_told_at, stored._last_told_at) as _last_told_at,
            following.available_at as superseded_at,
            following.version_no is null as is_current
        )
    from stored
    left join retold
        on
            stored.provider = retold.provider
            and stored.{{ document_id }} = retold.{{ document_id }}
    left join {{ versions }} as following
        on
            stored.provider = following.provider
            and stored.{{ document_id }} = following.{{ document_id }}
            and stored.version_no + 1 = following.version_no
{%- endmacro %}
