"""Fingerprints of the rules behind each incremental model, to refresh those whose rules changed.

A rule is the SQL of a model and of all it is built from, the macros they call, the seeds and
variables they read, the packages whose version they keep, and the trading calendars in the lake.
A changed rule changes rows that were built long ago, which reading only new batches would never
touch.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

import duckdb

from ingest.lake import Lake
from ingest.settings import DataDir

Manifest = Mapping[str, Any]
TABLE = "ops.rule_fingerprints"
KEPT = ("incremental", "by_series")
"""The materializations whose rows outlast the build that wrote them."""
OF_ONE_RUN = frozenset({"as_of", "refresh_models", "bars_per_batch"})
"""Variables that say how a build runs, not what rows it gives."""


def model_fingerprints(
    manifest: Manifest, calendars: str, variables: Mapping[str, Any]
) -> dict[str, str]:
    """Return a fingerprint per incremental model of a dbt manifest, by model name."""
    return {
        node["name"]: _digest([calendars, *sorted(_rules(manifest, unique_id, variables))])
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] in KEPT
    }


def overall_fingerprint(fingerprints: Mapping[str, str]) -> str:
    """Return one fingerprint of all rules."""
    return _digest(f"{name}={value}" for name, value in sorted(fingerprints.items()))


def calendar_fingerprint(data: DataDir) -> str:
    """Return a fingerprint of the newest extract of every trading calendar in the lake."""
    newest = {
        entry.symbol: entry.content_hash
        for batch in Lake(data).batches("exchange_calendars", "sessions")
        for entry in batch.entries
    }
    return json.dumps(newest, sort_keys=True)


def changed_models(
    connection: duckdb.DuckDBPyConnection, fingerprints: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the models that the open database built under other rules."""
    schema, table = TABLE.split(".")
    known = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?"
        " and database_name = current_database()",
        [schema, table],
    ).fetchall()
    stored = (
        dict(connection.execute(f"select model, fingerprint from {TABLE}").fetchall())
        if known[0][0]
        else {}
    )
    return tuple(sorted(name for name, value in fingerprints.items() if stored.get(name) != value))


def store_fingerprints(
    connection: duckdb.DuckDBPyConnection, fingerprints: Mapping[str, str]
) -> None:
    """Write into the open database which rules built it."""
    connection.execute(f"create or replace table {TABLE} (model varchar, fingerprint varchar)")
    connection.executemany(f"insert into {TABLE} values (?, ?)", sorted(fingerprints.items()))


def _rules(manifest: Manifest, unique_id: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text identity of every rule a model depends on, itself included."""
    macros: set[str] = set()
    pending, seen = [unique_id], {unique_id}
    while pending:
        current = pending.pop()
        node = manifest["nodes"].get(current)
        if node is None:  # a source: data, not a rule
            continue
        yield f"{current} {node['checksum']['checksum']} {_columns(node)}"
        yield from _variables(node.get("raw_code") or "", variables)
        yield from _packages(node)
        macros.update(_called_macros(manifest, node))
        for parent in node["depends_on"].get("nodes", ()):
            if parent not in seen:
                seen.add(parent)
                pending.append(parent)
    for macro in _all_macros(manifest, macros):
        yield f"{macro['unique_id']} {_digest([macro['macro_sql']])}"
        yield from _variables(macro["macro_sql"], variables)


def _called_macros(manifest: Manifest, node: Mapping[str, Any]) -> Iterator[str]:
    """Yield the macros a node calls: its SQL's and its incremental strategy's.

    dbt's own list lacks those in branches not taken while parsing, so names are looked for.
    """
    yield from node["depends_on"].get("macros", ())
    words = set(re.findall(r"\w+", node.get("raw_code") or ""))
    words.add(f"get_incremental_{node['config'].get('incremental_strategy')}_sql")
    words.add(f"materialization_{node['config']['materialized']}_duckdb")
    yield from (f"macro.{manifest['metadata']['project_name']}.{word}" for word in words)


def _all_macros(manifest: Manifest, names: set[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the project's macros among those named, and all that they call."""
    project = manifest["metadata"]["project_name"]
    pending, seen = list(names), set(names)
    while pending:
        macro = manifest["macros"].get(pending.pop())
        if macro is None or macro["package_name"] != project:
            continue
        yield macro
        for called in macro["depends_on"]["macros"]:
            if called not in seen:
                seen.add(called)
                pending.append(called)


def _variables(text: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield the variables that SQL reads, with their values."""
    for name in set(re.findall(r"""\bvar\(\s*["'](\w+)["']""", text)) - OF_ONE_RUN:
        yield f"var {name} {json.dumps(variables.get(name))}"


def _packages(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield the packages whose version a model in Python asks for, with it: its rows say it."""
    if node.get("language") == "python":
        for name in set(re.findall(r"""\bversion\(\s*["']([\w.-]+)["']""", node["raw_code"])):
            yield f"package {name} {version(name)}"


def _columns(node: Mapping[str, Any]) -> str:
    return json.dumps(
        sorted((name, column.get("data_type")) for name, column in node["columns"].items())
    )


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
