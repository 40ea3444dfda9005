"""The gate: run Soda's checks over a built candidate, and report what they found.

The one module that knows Soda. What the tables promise is in `soda/checks/`, not here; whether a
failed gate stops a publication is decided by who calls.
"""

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import jinja2
import yaml

from ingest.clock import as_utc
from ingest.settings import PROJECT_ROOT
from orchestration.check_templates import written_out

if TYPE_CHECKING:  # importing Soda has effects: see _scan_class
    from soda.common.log import Log
    from soda.sampler.sample_context import SampleContext
    from soda.sampler.sample_ref import SampleRef
    from soda.scan import Scan

logger = logging.getLogger("tapehouse.quality")

SODA_DIR = PROJECT_ROOT / "soda"
CHECKS_DIR = SODA_DIR / "checks"
LEDGER = "ops.load_batches"
PUBLISHED = "published"
"""The name under which callers attach the last published version."""
NOW_VARIABLE, PUBLISHED_VARIABLE = "NOW", "PUBLISHED"
"""What checks write as `${NOW}` and `${PUBLISHED}`."""
MAX_FAILING_KEYS = 20
SAMPLED_ROWS = 100
"""Failing rows that are looked at: several may have one key, as duplicates have."""
SCHEMA, FAILED_ROWS = "schema", "failed rows"
"""How the lines of such checks read in SodaCL."""
NO_VALUE = "were not computed"
"""How Soda says that a query gave it nothing."""
OUTCOMES = ("error", "fail", "warn", "pass")
"""From worst to best."""

Outcome = Literal["pass", "warn", "fail", "error"]
Progress = Callable[[int, int, str], None]
"""Called with tables done, tables in all, and the last one's name."""


class QualityError(RuntimeError):
    """The gate cannot judge anything; the message says why and what to do."""


@dataclass(frozen=True)
class DeclaredCheck:
    """A check that is declared for a table ("silver.bars")."""

    table: str
    name: str


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    `value` is what was measured. `error` means that the check gave no verdict at all: it, or what
    it reads, is broken.
    """

    table: str
    name: str
    outcome: Outcome
    value: float | None = None
    detail: str | None = None
    failing_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityReport:
    """The verdict: a result per check, and the tables that are not in use and were not judged."""

    results: tuple[CheckResult, ...]
    inactive: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether nothing speaks against publishing; warnings do not."""
        return not (self.count("fail") or self.count("error"))

    def count(self, outcome: Outcome) -> int:
        """Return how many checks came out so."""
        return sum(result.outcome == outcome for result in self.results)


@dataclass(frozen=True)
class _Check:
    name: str
    definition: Any

    @property
    def line(self) -> str:
        """Return the check's own line in the file, as `row_count > 0`."""
        return str(next(iter(self.definition)))

    @property
    def compares(self) -> bool:
        return f"${{{PUBLISHED_VARIABLE}}}" in str(self.definition)


@dataclass(frozen=True)
class _Table:
    """The checks of one file, and two things that Soda has no word for (its `attributes`).

    `datasets` are those without which the table is rightly empty; none means any dataset at all.
    `key` are the columns that name a row to a person.
    """

    schema: str
    name: str
    checks: tuple[_Check, ...]
    datasets: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class _Candidate:
    """The database being judged, on a cursor of its own, and what it is measured against."""

    cursor: duckdb.DuckDBPyConnection
    database: str
    published: frozenset[str]
    now: str


def declared_checks(checks_dir: Path = CHECKS_DIR) -> tuple[DeclaredCheck, ...]:
    """Return every check there is, by table and in the order of its file.

    Raises:
        QualityError: a file is not what it should be, or there is none.
    """
    return tuple(
        DeclaredCheck(table.full_name, check.name)
        for table in _read_tables(checks_dir)
        for check in table.checks
    )


def run_checks(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    checks_dir: Path = CHECKS_DIR,
    progress: Progress = lambda *_: None,
) -> QualityReport:
    """Judge the database open on `connection`, by every check in `checks_dir`.

    `now` is the build's clock, to which freshness is measured. The last published version is
    compared with where the caller has attached it as `published`.

    Raises:
        QualityError: the checks cannot be read, or the environment would change what they mean.
    """
    tables = _read_tables(checks_dir)
    if taken := {NOW_VARIABLE, PUBLISHED_VARIABLE} & os.environ.keys():
        names = ", ".join(sorted(taken))
        raise QualityError(f"Soda would take {names} from the environment: unset it")
    results: list[CheckResult] = []
    inactive: list[str] = []
    with closing(connection.cursor()) as cursor:
        candidate = _open_candidate(connection, cursor, now)
        for done, table in enumerate(tables, start=1):
            if _is_inactive(candidate, table):
                inactive.append(table.full_name)
            else:
                results += _judge(candidate, table)
            progress(done, len(tables), table.full_name)
    report = QualityReport(tuple(results), tuple(inactive))
    if report.passed:
        logger.info("QUALITY=PASS")
    else:
        logger.error("QUALITY=FAIL")
    return report


def write_report(
    report: QualityReport,
    path: Path,
    *,
    title: str = "Quality report",
    metadata: Mapping[str, str],
) -> None:
    """Write a report as one HTML page that needs nothing else, worst tables first."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orchestration"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("quality.html.j2").render(
        title=title, metadata=metadata, report=report, tables=_by_table(report), outcomes=OUTCOMES
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _by_table(report: QualityReport) -> list[tuple[str, dict[str, list[CheckResult]]]]:
    """Return each table's results by outcome; tables with the worst outcomes come first."""
    tables: dict[str, dict[str, list[CheckResult]]] = {}
    for result in report.results:
        outcomes = tables.setdefault(result.table, {outcome: [] for outcome in OUTCOMES})
        outcomes[result.outcome].append(result)
    return sorted(
        tables.items(), key=lambda table: [-len(found) for found in list(table[1].values())[:-1]]
    )


# -- what is declared ----------------------------------------------------------------------------


def _read_tables(checks_dir: Path) -> list[_Table]:
    tables = [_read_table(path) for path in sorted(checks_dir.glob("*/*.yml"))]
    if not tables:
        raise QualityError(f"there are no checks in {checks_dir}: nothing could be judged")
    return tables


def _read_table(path: Path) -> _Table:
    """Read `<schema>/<table>.yml`: one list of named checks, SodaCL once templates are written out.

    Its `attributes` come first: templates name rows by them.
    """
    schema, name = path.parent.name, path.stem
    attributes: dict[str, list[str]] = {}
    checks: dict[str, _Check] = {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for entry in content[f"checks for {name}"]:
            ((line, settings),) = entry.items()
            if line == "attributes":
                attributes = settings
            elif settings["name"] in checks:
                raise QualityError(f"{path} has two checks named {settings['name']}")
            else:
                definition = written_out(name, attributes.get("key", ()), entry)
                checks[settings["name"]] = _Check(settings["name"], definition)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise QualityError(
            f"{path} is not `checks for {name}:` with a list of checks that have names: {error!r}"
        ) from error
    return _Table(
        schema,
        name,
        tuple(checks.values()),
        datasets=tuple(attributes.get("datasets", ())),
        key=tuple(attributes.get("key", ())),
    )


# -- what is judged ------------------------------------------------------------------------------


def _open_candidate(
    connection: duckdb.DuckDBPyConnection, cursor: duckdb.DuckDBPyConnection, now: datetime
) -> _Candidate:
    """Find out what `connection` has open and attached."""
    ((database,),) = connection.execute("select current_database()").fetchall()
    cursor.execute("set TimeZone = 'UTC'")
    published = cursor.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_catalog = ?",
        [PUBLISHED],
    ).fetchall()
    return _Candidate(
        cursor,
        str(database),
        frozenset(name for (name,) in published),
        f"{as_utc(now):%Y-%m-%d %H:%M:%S.%f}",
    )


def _is_inactive(candidate: _Candidate, table: _Table) -> bool:
    """Return whether a table is empty because none of its datasets was ever landed.

    One that readers see rows in is never inactive: that the lake has lost them must show.
    """
    if not _is_empty(candidate, table.full_name):
        return False
    if table.full_name in candidate.published and not _is_empty(
        candidate, f"{PUBLISHED}.{table.full_name}"
    ):
        return False
    wanted = "', '".join(table.datasets)
    return _is_empty(candidate, LEDGER, f"dataset in ('{wanted}')" if wanted else "true")


def _is_empty(candidate: _Candidate, relation: str, condition: str = "true") -> bool:
    """Return whether a relation has no row; one that cannot be read is for its checks to report."""
    try:
        candidate.cursor.execute(f'use "{candidate.database}"')
        found = candidate.cursor.execute(f"select 1 from {relation} where {condition} limit 1")
        return not found.fetchall()
    except duckdb.Error:
        return False


def _judge(candidate: _Candidate, table: _Table) -> list[CheckResult]:
    """Run a table's checks in one scan; if anything in it breaks, each in a scan of its own.

    Soda measures many things in one query: one that is broken leaves the others without outcome.
    """
    results, errors = _scan(candidate, table, table.checks)
    if not errors and len(results) == len(table.checks):
        return [results[check.name] for check in table.checks]
    return [_judge_alone(candidate, table, check) for check in table.checks]


def _judge_alone(candidate: _Candidate, table: _Table, check: _Check) -> CheckResult:
    results, errors = _scan(candidate, table, [check])
    if not errors and check.name in results:
        return results[check.name]
    detail = errors[0] if errors else "Soda gave no outcome"
    if check.line == SCHEMA and NO_VALUE in detail:
        detail = "there is no such table"
    return CheckResult(table.full_name, check.name, "error", detail=detail)


# -- Soda ----------------------------------------------------------------------------------------


class _SodaConnection:
    """What Soda takes for its DuckDB connection: the candidate's cursor, with two corrections."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    @property
    def description(self) -> Sequence[Sequence[object]] | None:
        return self._cursor.description

    def execute(self, sql: str) -> None:
        """Run a query; columns are those of the table in the candidate.

        Soda looks them up by the table's bare name, in all schemas and attached files.
        """
        self._cursor.execute(
            sql.replace(
                "FROM information_schema.columns",
                "FROM (select * from information_schema.columns where table_schema ="
                " current_schema() and table_catalog = current_database()) as table_columns",
            )
        )

    def fetchone(self) -> tuple[object, ...] | None:
        return self._cursor.fetchone()

    def fetchmany(self, size: int) -> list[tuple[object, ...]]:
        return self._cursor.fetchmany(size)

    def fetchall(self) -> list[tuple[object, ...]]:
        return self._cursor.fetchall()

    def rollback(self) -> None:
        """Do nothing: Soda rolls back after an error, which DuckDB refuses outside transactions."""


class _Sampler:
    """Soda hands over the failing rows of each check; only the keys of the first are kept."""

    logs: Any = None

    def __init__(self, key: Sequence[str]) -> None:
        self._key = key
        self.keys: dict[str, tuple[str, ...]] = {}
        self.details: dict[str, str] = {}

    def store_sample(self, context: "SampleContext") -> "SampleRef":
        """Take the first rows; Soda has read them all only where it had to count them."""
        from soda.sampler.sample_ref import SampleRef  # noqa: PLC0415 - see _scan_class

        sample = context.sample
        is_counted = sample.safe_fetcher.rows is not None
        fetched = sample.get_rows() if is_counted else sample.cursor.fetchmany(SAMPLED_ROWS)
        columns = [column[0] for column in sample.cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in fetched[:SAMPLED_ROWS]]
        keys = dict.fromkeys(_key_text(row, self._key) for row in rows)
        self.keys[context.check_name] = tuple(keys)[:MAX_FAILING_KEYS]
        if rows and rows[0].get("detail"):
            self.details[context.check_name] = str(rows[0]["detail"])
        count = sample.get_rows_count() if is_counted else len(rows)
        return SampleRef(
            name=context.sample_name,
            schema=None,
            total_row_count=count,
            stored_row_count=len(rows),
            type=SampleRef.TYPE_NOT_PERSISTED,
        )


def _scan(
    candidate: _Candidate, table: _Table, checks: Iterable[_Check]
) -> tuple[dict[str, CheckResult], list[str]]:
    """Return what Soda makes of some checks of a table, by name, and what went wrong."""
    try:
        candidate.cursor.execute(f'use "{candidate.database}"."{table.schema}"')
    except duckdb.Error as error:
        return {}, [str(error)]
    scan, sampler = _new_scan(), _Sampler(table.key)
    scan.set_data_source_name("tapehouse")
    scan.add_duckdb_connection(_SodaConnection(candidate.cursor), data_source_name="tapehouse")
    scan.add_variables(_variables(candidate, table))
    scan.sampler = sampler
    wanted = {check.name: check for check in checks}
    definitions = {f"checks for {table.name}": [check.definition for check in wanted.values()]}
    scan.add_sodacl_yaml_str(yaml.dump(definitions, Dumper=yaml.CSafeDumper))
    scan.execute()
    results = {
        found["name"]: _result(candidate, table, wanted[found["name"]], found, sampler)
        for found in scan.get_scan_results()["checks"]
    }
    return results, [_error_text(log) for log in scan.get_error_logs()]


def _new_scan() -> "Scan":
    scan = _scan_class()()
    scan.disable_telemetry()
    return scan


@cache
def _scan_class() -> "type[Scan]":
    """Import Soda so that it tells nobody anything: no usage report, no console, no home folder.

    Its settings are read once, when it is first imported; without a file it would write one to the
    home folder and report. Its first scan would also put a `.env` file above it over this process's
    environment.
    """
    from soda.common import config_helper, env_helper  # noqa: PLC0415 - only when judged: slow

    config = SODA_DIR / "config.yml"
    if (
        not config.is_file()
        or config_helper.ConfigHelper.get_instance(str(config)).send_anonymous_usage_stats
    ):
        raise QualityError(f"Soda would report its use: {config} is missing or not in force")
    env_helper.load_dotenv = lambda **_: False
    logging.getLogger("soda").setLevel(logging.CRITICAL + 1)

    from soda.scan import Scan  # noqa: PLC0415 - after its settings

    scan_class: type[Scan] = Scan
    return scan_class


def _variables(candidate: _Candidate, table: _Table) -> dict[str, str]:
    """Return what checks may name as `${…}`: the build's clock, and the table readers have now.

    Before the first publication that is an empty one. A column that it does not have yet is NULL:
    the version that brings one can be compared, too.
    """
    compared = f"(select * from {table.name} limit 0)"
    if table.full_name in candidate.published:
        compared = f"({compared} union all by name select * from {PUBLISHED}.{table.full_name})"
    return {NOW_VARIABLE: candidate.now, PUBLISHED_VARIABLE: compared}


def _result(
    candidate: _Candidate, table: _Table, check: _Check, found: Mapping[str, Any], sampler: _Sampler
) -> CheckResult:
    """Return our form of a check's result in Soda."""
    diagnostics, outcome = found["diagnostics"], found["outcome"]
    value = _number(diagnostics.get("value"))
    keys = sampler.keys.get(check.name, ())
    detail = None
    if check.line == SCHEMA:
        wrong = _wrong_columns(diagnostics)
        keys, detail, value = tuple(wrong), ", ".join(wrong.values()), float(len(wrong))
    elif outcome != "pass":
        parts = (_measured(check, value), sampler.details.get(check.name))
        detail = "; ".join(part for part in parts if part)
    elif check.compares and table.full_name not in candidate.published:
        detail = "nothing published to compare with: these rows are the baseline"
    return CheckResult(
        table.full_name,
        check.name,
        outcome,
        value,
        detail or None,
        keys if outcome != "pass" else (),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _wrong_columns(diagnostics: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each column that breaks the schema's promise."""
    missing = {name: f"{name} is missing" for name in sorted(diagnostics["missing_column_names"])}
    retyped = {
        name: f"{name} is {types['actual_type']}, not {types['expected_type']}"
        for name, types in diagnostics["column_type_mismatches"].items()
    }
    return missing | retyped


def _measured(check: _Check, value: float | None) -> str:
    """Return what was measured, and what was wanted."""
    if value is None:
        return ""
    measured = f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    if check.line == FAILED_ROWS:
        return f"{measured} found"
    settings = check.definition[check.line]
    limits = [f"{kind} {settings[kind]}" for kind in ("fail", "warn") if kind in settings]
    return f"{measured} ({', '.join(limits) or f'wanted: {check.line}'})"


def _error_text(log: "Log") -> str:
    text = str(log.exception or log.message).strip()
    return text.splitlines()[0] if text else "Soda gave no reason"


def _key_text(row: Mapping[str, Any], key: Sequence[str]) -> str:
    """Return what names a row to a person: what its query says, or else its key columns."""
    if "failing_key" in row:
        return str(row["failing_key"])
    return "|".join(_value_text(row.get(column)) for column in key)


def _value_text(value: object) -> str:
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    return str(value)
