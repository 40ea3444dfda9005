{% test half_open_intervals(model, partition_by, valid_from='valid_from', valid_to='valid_to') %}
    {#-
        A failing row does not end after it begins, or has not ended when the next of its partition
        begins.
    -#}
    {% if not partition_by %}
        {{ exceptions.raise_compiler_error('half_open_intervals needs columns in `partition_by`.') }}
    {% endif %}
    select *
    from {{ model }}
    qualify
        not coalesce({{ valid_from }} < {{ valid_to }}, false)
        or lead({{ valid_from }}) over (
            partition by {{ partition_by | join(', ') }} order by {{ valid_from }}, {{ valid_to }}
        ) < {{ valid_to }}
{% endtest %}
