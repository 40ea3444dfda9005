"""Checks that many tables have alike, written out as SodaCL: one query for each kind, in one place.

Which tables have them, and with which limits, is in `soda/checks/`; how they read there, in
`soda/README.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Settings = Mapping[str, Any]

VOLUME = "rows_kept_pct"
"""A metric, not a template: `rows_kept_pct >= 95` is given the query that measures it."""


def written_out(table: str, key: Sequence[str], entry: Settings) -> dict[str, Any]:
    """Return one entry of a file in plain SodaCL; what is so already stays as it is.

    `key` are the columns that name a row of `table`, in the last published version too.

    Raises:
        ValueError: a template is not given what it needs, or something it does not know.
    """
    ((line, settings),) = entry.items()
    if line.split(" ")[0] == VOLUME:
        return {line: {f"{VOLUME} query": _volume(table), **settings}}
    if line not in TEMPLATES:
        return dict(entry)
    template, needed, optional = TEMPLATES[line]
    given = {name: value for name, value in settings.items() if name not in PASSED_ON}
    if missing := [name for name in needed if not given.get(name)]:
        raise ValueError(f"{line} {settings.get('name')} lacks {', '.join(missing)}")
    if unknown := sorted(given.keys() - {*needed, *optional}):
        raise ValueError(f"{line} {settings.get('name')} does not know {', '.join(unknown)}")
    passed_on = {name: value for name, value in settings.items() if name in PASSED_ON}
    if line == "drift" and not key:
        raise ValueError(f"drift {settings.get('name')} needs the table's key, before it")
    if line == "drift" and "fail" not in passed_on:
        passed_on["warn"] = "when > 0"
    return {"failed rows": {**passed_on, "fail query": template(table, key, given)}}


def _volume(table: str) -> str:
    """Select how many of a hundred published rows there are; the first build is the baseline."""
    return f"""
        select coalesce(
            100.0 * (select count(*) from {table})
            / nullif((select count(*) from ${{PUBLISHED}}), 0),
            100
        )
    """


def _freshness(table: str, _: Sequence[str], given: Settings) -> str:
    """Select what does not end when its source does, of what is in both."""
    per, where = given["per"], given.get("where", "true")
    return f"""
        with source as (
            {given["source"]}
        ),

        here as (
            select {", ".join(per)}, {given["until"]} as until
            from {table}
            where {where}
            group by {", ".join(per)}
        )

        select
            {_named(per, "source")} as failing_key,
            'until ' || coalesce(cast(here.until as varchar), 'no time') || ', its source until '
            || coalesce(cast(source.until as varchar), 'no time') as detail
        from source
        inner join here using ({", ".join(per)})
        where here.until is distinct from source.until
        order by failing_key
    """


def _ranges(table: str, _: Sequence[str], given: Settings) -> str:
    """Select the columns whose lowest or highest value is beyond its limits, or not finite.

    All are measured in one pass. NaN is above all numbers, so it is a column's highest.
    """
    columns = ",\n".join(
        f"""{{
            'failing_key': '{column}',
            'lowest': cast(min({column}) as double), 'highest': cast(max({column}) as double),
            'low': {_bound(low)}, 'high': {_bound(high)}
        }}"""
        for column, (low, high) in given["columns"].items()
    )
    return f"""
        with measured as (
            select unnest([{columns}], recursive := true)
            from {table}
            where {given.get("where", "true")}
        )

        select
            failing_key,
            'from ' || lowest || ' to ' || highest || ', promised from '
            || coalesce(cast(low as varchar), 'any') || ' to '
            || coalesce(cast(high as varchar), 'any') as detail
        from measured
        where
            lowest < low or highest > high or not isfinite(lowest) or not isfinite(highest)
        order by failing_key
    """


def _drift(table: str, key: Sequence[str], given: Settings) -> str:
    """Select the rows, or groups of them, of which published values have moved or are gone."""
    moved = {column: _moved(column, limit) for column, limit in given["columns"].items()}
    both = f"""
            from {table} as candidate
            inner join ${{PUBLISHED}} as published using ({", ".join(key)})
            where {given.get("where", "true")}
    """
    if per := given.get("per"):
        rest = [column for column in key if column not in per]
        return f"""
        with compared as (
            select
                {", ".join(f"candidate.{column}" for column in [*per, *rest])},
                {" or ".join(moved.values())} as is_moved
            {both}
        )

        select
            {_named(per, "compared")} as failing_key,
            count(*) filter (where is_moved) || ' of ' || count(*)
            || ' rows are not what was published, first '
            || min({_named(rest, "compared")}) filter (where is_moved) as detail
        from compared
        group by {", ".join(per)}
        having count(*) filter (where is_moved) > {float(given.get("share", 0))} * count(*)
        order by failing_key
    """
    changes = ", ".join(
        f"case when {condition} then '{column} was ' || {_text(f'published.{column}')}"
        f" || ', is ' || {_text(f'candidate.{column}')} end"
        for column, condition in moved.items()
    )
    return f"""
        select
            {_named(key, "candidate")} as failing_key,
            concat_ws('; ', {changes}) as detail
        {both} and ({" or ".join(moved.values())})
        order by failing_key
    """


def _moved(column: str, limit: object) -> str:
    """Return the condition that a value is not what it was.

    `limit` is by how much it may have moved: a number, `"10 %"` of what it was, or `same` for not
    at all. What has no value yet may get one.
    """
    now, before = f"candidate.{column}", f"published.{column}"
    if limit == "same":
        return f"({before} is not null and {now} is distinct from {before})"
    if isinstance(limit, str) and limit.endswith("%"):
        allowed = f"{float(limit.removesuffix('%')) / 100!r} * abs({before})"
    elif isinstance(limit, int | float):
        allowed = repr(float(limit))
    else:
        raise ValueError(f'a limit is a number, "10 %" or same, and not {limit!r}')
    return f"({before} is not null and coalesce(abs({now} - {before}) > {allowed}, true))"


def _bound(value: float | None) -> str:
    return f"cast({'null' if value is None else float(value)} as double)"


def _named(columns: Sequence[str], relation: str) -> str:
    """Return what names a row to a person."""
    return " || '|' || ".join(f"{relation}.{column}" for column in columns)


def _text(column: str) -> str:
    """Return a value as a person reads it."""
    return f"coalesce(cast({column} as varchar), 'nothing')"


Template = Callable[[str, Sequence[str], Settings], str]

PASSED_ON = ("name", "warn", "fail", "attributes")
TEMPLATES: Mapping[str, tuple[Template, Sequence[str], Sequence[str]]] = {
    "freshness": (_freshness, ("per", "until", "source"), ("where",)),
    "ranges": (_ranges, ("columns",), ("where",)),
    "drift": (_drift, ("columns",), ("where", "per", "share")),
}
"""What writes each of them out, the settings it needs, and those that it may have."""
