{% macro share_ratio(ratio) %}
    {#-
        A split's ratio as [new shares, old shares], whole numbers: the smallest that are the ratio as
        sent (0.333333 is one for three), else millionths.
    -#}
    list_transform(
        [coalesce(
            list_filter(
                range(1, 10001),
                lambda old: abs({{ ratio }} * old - round({{ ratio }} * old)) < 1e-9 * old
                and round({{ ratio }} * old) > 0
            )[1],
            list_filter(
                range(1, 1001),
                lambda old: abs({{ ratio }} * old - round({{ ratio }} * old))
                < 1.5e-6 * {{ ratio }} * old
                and round({{ ratio }} * old) > 0
            )[1],
            1000000
        )],
        lambda old: [cast(round({{ ratio }} * old) as bigint), old]
    )[1]
{%- endmacro %}
