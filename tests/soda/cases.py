"""How a case breaks a promise: the shapes that cases of all domains share.

The cases are in `cases_<domain>.py` and `test_checks.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """What breaks a promise: statements on the candidate, or on the published version.

    `also` are checks of the same table that the same data breaks by their nature.
    """

    sql: str = "select 1"
    published: str | None = None
    outcome: str = "fail"
    also: frozenset[str] = frozenset()


def warns(sql: str) -> Case:
    return Case(sql, outcome="warn")


def without_column(table: str, column: str) -> Case:
    return Case(f"alter table {table} drop column {column}")


def shrunk(table: str) -> Case:
    """Return a case in which readers have three times the rows of the candidate."""
    return Case(published=f"insert into {table} select a.* from {table} as a, range(2)")
