"""Land vendor records, verbatim, in an immutable lake.

Nothing here casts, rounds, maps or deduplicates: that is SQL's work (`dbt_project/`), where it can
be fixed and replayed. Nothing here imports Dagster or dbt.
"""
