{% macro article_available_at(relation_alias) -%}
    {#-
        When the first version we have of an article could be known: when it was published, or last
        changed before we fetched it, as what it said before the change is not what we have.
    -#}
    greatest(
        {{ relation_alias }}.published_at,
        coalesce({{ relation_alias }}.updated_at, {{ relation_alias }}.published_at)
    )
{%- endmacro %}
