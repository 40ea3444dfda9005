"""Drive the line from the lake to the published file: build, gate, publish; by command or Dagster.

Nothing here reads vendor formats (see `ingest`) or holds transformation logic (see `dbt_project`).
"""
