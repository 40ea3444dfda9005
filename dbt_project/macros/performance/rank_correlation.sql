{% macro doubled_rank(value, partition_by) -%}
    {#-
        Twice the rank of a value within its partition, from 1; equal values share the mean of their
        ranks, so that twice of it is whole. As `rankdata` of scipy with method `average`.
    -#}
    rank() over (partition by {{ partition_by }} order by {{ value }})
    + count(*) over (partition by {{ partition_by }} order by {{ value }})
{%- endmacro %}


{% macro rank_correlation(doubled_rank_a, doubled_rank_b) -%}
    {#-
        Spearman's rank correlation, -1 to 1: Pearson's of the ranks, from whole numbers, so exact to the
        last division whatever the order of rows. As `spearmanr` of scipy. NULL below two rows, and
        where all values of one are the same.
    -#}
    {%- set a, b = doubled_rank_a, doubled_rank_b -%}
    {{ rank_covariance(a, b) }}
    / nullif(sqrt({{ rank_covariance(a, a) }}) * sqrt({{ rank_covariance(b, b) }}), 0)
{%- endmacro %}


{% macro rank_covariance(doubled_rank_a, doubled_rank_b) -%}
    {#-
        n times the sum of products, less the product of sums, of doubled ranks: those of n rows add up
        to n (n + 1).
    -#}
    cast(
        count(*) * sum(cast({{ doubled_rank_a }} as hugeint) * {{ doubled_rank_b }})
        - cast(count(*) * (count(*) + 1) as hugeint) * (count(*) * (count(*) + 1))
        as double
    )
{%- endmacro %}
