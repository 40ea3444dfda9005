{% test half_open_intervals(model, partition_by, valid_from='valid_from', valid_to='valid_to') %}
    {#- A failing row ends before it begins, or has not ended when the next of its partition begins. -#}
    {% if not partition_by %}
        {{ exceptions.raise_compiler_error('half_open_intervals needs columns in `partition_by`.') }}
    {% endif %}
    select *
    from {{ model }}
    qualify
        {{ valid_from }} >= {{ valid_to }}
        or lead({{ valid_from }}) over (
            partition by {{ partition_by | join(', ') }} order by {{ valid_from }}, {{ valid_to }}
        ) < {{ valid_to }}
{% endtest %}
