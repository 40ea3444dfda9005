"""The gate itself: what it makes of broken checks and empty tables, and what it reports."""

import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from ingest.settings import PROJECT_ROOT
from orchestration.quality import (
    CheckResult,
    Outcome,
    QualityError,
    QualityReport,
    declared_checks,
    run_checks,
    write_report,
)
from tests.soda.demo_warehouse import NOW, change, copy, judge

TINY = """
    create schema silver;
    create schema ops;
    create table ops.load_batches (dataset varchar);
    insert into ops.load_batches values ('bars');
    create table silver.bars (instrument_id varchar, start_at timestamp, close double);
    insert into silver.bars
    select 'equity:A', timestamp '2024-01-02' + to_minutes(60 * n), n from range(50) as hours (n);
    create table silver.actions (instrument_id varchar)
"""
GOOD = "  - row_count > 0: {name: bars_are_not_empty}\n"
FAILING = """
  - failed rows:
      name: close_is_small
      fail condition: close >= 10
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a database of two tables, one of them without rows."""
    database = tmp_path / "tiny.duckdb"
    change(database, TINY)
    return database


@pytest.fixture
def checks_dir(tmp_path: Path) -> Path:
    return tmp_path / "checks"


def declare(checks_dir: Path, table: str, checks: str, datasets: str = "bars") -> Path:
    """Write the checks of one table."""
    schema, name = table.split(".")
    path = checks_dir / schema / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"checks for {name}:\n"
        f"  - attributes: {{datasets: [{datasets}], key: [instrument_id, start_at]}}\n{checks}"
    )
    return checks_dir


def outcomes(report: QualityReport) -> dict[str, Outcome]:
    return {result.name: result.outcome for result in report.results}


# -- broken checks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(
            "  - failed rows: {name: broken, fail query: select nothing from bars}",
            "Binder Error",
            id="a query of its own",
        ),
        pytest.param(
            "  - missing_count(nothing) = 0: {name: broken}",
            "Binder Error",
            id="a column in the query that all share",
        ),
        pytest.param(
            "  - values in (instrument_id) must exist in nowhere (instrument_id): {name: broken}",
            "Catalog Error",
            id="another table",
        ),
        pytest.param(
            "  - a_metric > 0: {name: broken, a_metric query: select null}",
            "a_metric",
            id="no value",
        ),
        pytest.param("  - this is no check: {name: broken}", "Invalid check", id="no SodaCL"),
        pytest.param(
            "  - schema: {name: broken, fail: {when wrong column: {a: varchar}}}",
            "when wrong column",
            id="a schema",
        ),
        pytest.param(
            "  - row_count > 0: {name: broken, unknown setting: 1}", "unknown", id="a setting"
        ),
    ],
)
def test_a_broken_check_is_an_error_and_hides_no_other(
    tiny: Path, checks_dir: Path, broken: str, reason: str
) -> None:
    declare(checks_dir, "silver.bars", f"{broken}\n{GOOD}{FAILING}")
    report = judge(tiny, checks_dir=checks_dir)
    assert outcomes(report) == {
        "broken": "error",
        "bars_are_not_empty": "pass",
        "close_is_small": "fail",
    }
    assert reason in str(report.results[0].detail)
    assert not report.passed


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("silver.nothing", "there is no such table"),
        ("nothing.bars", 'No catalog + schema named "tiny.nothing"'),
    ],
)
def test_a_missing_table_blocks_and_hides_no_other(
    tiny: Path, checks_dir: Path, missing: str, reason: str
) -> None:
    declare(checks_dir, "silver.bars", GOOD)
    declare(
        checks_dir,
        missing,
        "  - row_count > 0: {name: rows_are_there}\n"
        "  - schema: {name: columns_are_there, fail: {when wrong column type: {a: varchar}}}\n",
    )
    report = judge(tiny, checks_dir=checks_dir)
    assert outcomes(report) == {
        "bars_are_not_empty": "pass",
        "rows_are_there": "error",
        "columns_are_there": "error",
    }
    assert (
        reason
        in {result.name: str(result.detail) for result in report.results}["columns_are_there"]
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("checks for bars:\n  - row_count > 0", id="no name"),
        pytest.param("checks for bars:\n" + GOOD + GOOD, id="a name twice"),
        pytest.param("checks for others:\n" + GOOD, id="another table's"),
        pytest.param("checks for bars: [", id="no YAML"),
        pytest.param("", id="empty"),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_gate(tiny: Path, checks_dir: Path, text: str) -> None:
    (checks_dir / "silver").mkdir(parents=True)
    (checks_dir / "silver" / "bars.yml").write_text(text)
    with pytest.raises(QualityError, match=r"bars\.yml"):
        judge(tiny, checks_dir=checks_dir)


def test_no_checks_at_all_is_no_pass(tiny: Path, checks_dir: Path) -> None:
    with pytest.raises(QualityError, match="nothing could be judged"):
        judge(tiny, checks_dir=checks_dir)


def test_declared_checks_have_names_that_dagster_takes_and_that_are_unique_in_their_table() -> None:
    declared = declared_checks()
    assert len(set(declared)) == len(declared)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", check.name) for check in declared)


# -- empty tables --------------------------------------------------------------------------------


def test_a_table_of_a_dataset_never_landed_is_listed_and_not_judged(
    tiny: Path, checks_dir: Path
) -> None:
    declare(checks_dir, "silver.actions", "  - row_count > 0: {name: n}", datasets="actions")
    report = judge(tiny, checks_dir=checks_dir)
    assert report == QualityReport((), inactive=("silver.actions",))
    assert report.passed


def test_an_empty_table_blocks_once_its_dataset_was_landed(tiny: Path, checks_dir: Path) -> None:
    declare(checks_dir, "silver.actions", "  - row_count > 0: {name: n}", datasets="actions")
    change(tiny, "insert into ops.load_batches values ('actions')")
    assert outcomes(judge(tiny, checks_dir=checks_dir)) == {"n": "fail"}


def test_an_empty_table_blocks_where_readers_see_rows(
    tiny: Path, checks_dir: Path, tmp_path: Path
) -> None:
    declare(checks_dir, "silver.actions", "  - row_count > 0: {name: n}", datasets="actions")
    published = copy(tiny, tmp_path / "published.duckdb")
    change(published, "insert into silver.actions values ('equity:A')")
    report = judge(tiny, published=published, checks_dir=checks_dir)
    assert outcomes(report) == {"n": "fail"}


def test_a_check_without_outcome_over_an_empty_table_is_an_error(
    tiny: Path, checks_dir: Path
) -> None:
    declare(checks_dir, "silver.actions", "  - max_length(instrument_id) > 0: {name: n}")
    assert outcomes(judge(tiny, checks_dir=checks_dir)) == {"n": "error"}


def test_an_empty_lake_passes_with_every_table_listed(candidate: Path) -> None:
    with duckdb.connect(str(candidate)) as connection:
        for (table,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where schema_name in ('gold', 'silver', 'ops')"
        ).fetchall():
            connection.execute(f"delete from {table}").fetchall()
    report = judge(candidate)
    assert report.passed
    assert report.results == ()
    assert set(report.inactive) == {check.table for check in declared_checks()}


def test_an_empty_lake_never_replaces_what_is_published(
    candidate: Path, warehouse: Path, tmp_path: Path
) -> None:
    change(candidate, "delete from ops.load_batches; delete from gold.latest_prices")
    published = copy(warehouse, tmp_path / "published.duckdb")
    report = judge(candidate, published=published)
    failed = {result.name for result in report.results if result.outcome == "fail"}
    assert {"load_batches_keep_their_volume", "latest_prices_keep_their_volume"} <= failed


# -- what a check tells --------------------------------------------------------------------------


def test_failing_keys_are_the_first_twenty_different_ones(tiny: Path, checks_dir: Path) -> None:
    declare(
        checks_dir,
        "silver.bars",
        FAILING + "  - duplicate_count(instrument_id, start_at) = 0: {name: bars_are_unique}",
    )
    change(tiny, "insert into silver.bars select * from silver.bars")
    small, unique = judge(tiny, checks_dir=checks_dir).results
    assert (small.value, unique.value) == (80, 50)
    for result in (small, unique):
        assert len(set(result.failing_keys)) == 20
        assert all(key.startswith("equity:A|2024-01-0") for key in result.failing_keys)


def test_a_key_at_midnight_is_a_date(tiny: Path, checks_dir: Path) -> None:
    declare(checks_dir, "silver.bars", "  - missing_count(close) = 0: {name: close_is_given}")
    change(tiny, "update silver.bars set close = null where close in (1, 24)")
    (result,) = judge(tiny, checks_dir=checks_dir).results
    assert sorted(result.failing_keys) == ["equity:A|2024-01-02 01:00:00", "equity:A|2024-01-03"]


def test_a_passing_check_has_no_failing_keys(tiny: Path, checks_dir: Path) -> None:
    declare(
        checks_dir,
        "silver.bars",
        "  - failed rows: {name: n, fail query: select 'a' as failing_key, fail: when > 1}",
    )
    (result,) = judge(tiny, checks_dir=checks_dir).results
    assert (result.outcome, result.value, result.failing_keys) == ("pass", 1, ())


def test_a_column_is_missing_although_the_published_table_has_it(
    candidate: Path, warehouse: Path, tmp_path: Path
) -> None:
    change(
        candidate,
        "alter table silver.bars drop column vwap; create schema other;"
        " create table other.bars as select '' as vwap, '' as close",
    )
    report = judge(candidate, published=copy(warehouse, tmp_path / "published.duckdb"))
    (result,) = [r for r in report.results if r.name == "bars_have_the_promised_columns"]
    assert (result.outcome, result.detail) == ("fail", "vwap is missing")


def test_a_first_build_is_the_baseline(candidate: Path) -> None:
    kept = ("keep_their_volume", "keeps_its_volume")
    volumes = [r for r in judge(candidate).results if r.name.endswith(kept)]
    assert volumes
    assert all(result.outcome == "pass" and result.value == 100 for result in volumes)
    assert all("nothing published to compare with" in str(result.detail) for result in volumes)


def test_freshness_is_measured_to_the_build_s_clock_and_only_of_datasets_in_use(
    candidate: Path,
) -> None:
    change(
        candidate,
        "update rules.dataset_freshness"
        " set is_static = false, max_hours_since_ask = 48, max_hours_since_bar = 100000"
        " where provider in ('sample', 'coinbase')",
    )
    late = datetime(2024, 3, 1, 0, 0, 1, tzinfo=UTC)
    assert judge(candidate, now=NOW).passed
    (stale,) = [r for r in judge(candidate, now=late).results if r.outcome == "fail"]
    assert stale.name == "dataset_was_asked_in_time"
    assert set(stale.failing_keys) == {
        "sample|bars",
        "sample|corporate_actions",
        "sample|instruments",
    }


def test_an_answer_that_was_not_whole_does_not_count_as_asked(candidate: Path) -> None:
    change(
        candidate,
        "update rules.dataset_freshness set is_static = false, max_hours_since_ask = 24"
        " where provider = 'sample' and dataset = 'instruments';"
        " insert into ops.load_requests"
        " select * replace (false as is_complete, timestamp '2024-03-01' as fetched_at)"
        " from ops.load_requests where provider = 'sample' and dataset = 'instruments'",
    )
    (stale,) = [r for r in judge(candidate).results if r.outcome == "fail"]
    assert stale.failing_keys == ("sample|instruments",)


# -- what it leaves alone ------------------------------------------------------------------------


def test_the_caller_s_connection_stays_as_it_was(tiny: Path, checks_dir: Path) -> None:
    declare(checks_dir, "silver.bars", GOOD + FAILING)
    seen: list[tuple[int, int, str]] = []
    with duckdb.connect(str(tiny)) as connection:
        connection.execute("set TimeZone = 'Asia/Tokyo'")
        run_checks(
            connection, now=NOW, checks_dir=checks_dir, progress=lambda *done: seen.append(done)
        )
        state = connection.execute(
            "select current_schema(), current_setting('TimeZone')"
        ).fetchall()
    assert state == [("main", "Asia/Tokyo")]
    assert seen == [(1, 1, "silver.bars")]


def test_an_environment_that_would_change_the_clock_stops_the_gate(
    tiny: Path, checks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOW", "2000-01-01")
    declare(checks_dir, "silver.bars", GOOD)
    with pytest.raises(QualityError, match="NOW"):
        judge(tiny, checks_dir=checks_dir)


def test_one_line_tells_the_verdict(
    tiny: Path, checks_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        judge(tiny, checks_dir=declare(checks_dir, "silver.bars", GOOD))
        judge(tiny, checks_dir=declare(checks_dir, "silver.bars", GOOD + FAILING))
    assert caplog.messages == ["QUALITY=PASS", "QUALITY=FAIL"]


def test_soda_tells_nobody_anything(tiny: Path, checks_dir: Path, tmp_path: Path) -> None:
    """Nothing is printed, sent, written to the home folder, or taken from a `.env` file."""
    declare(checks_dir, "silver.bars", f"  - this is no check: {{name: broken}}\n{GOOD}{FAILING}")
    home = tmp_path / "home"
    home.mkdir()
    script = f"""
import socket
from datetime import UTC, datetime
from pathlib import Path
import dotenv
import duckdb

def forbidden(*args, **kwargs):
    raise AssertionError(f"not allowed: {{args}}")

socket.socket.connect = socket.getaddrinfo = dotenv.load_dotenv = forbidden
from orchestration.quality import run_checks
with duckdb.connect({str(tiny)!r}) as connection:
    report = run_checks(
        connection, now=datetime(2024, 3, 1, tzinfo=UTC), checks_dir=Path({str(checks_dir)!r})
    )
assert [result.outcome for result in report.results] == ["error", "pass", "fail"], report
from opentelemetry import trace
assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.split() == ["QUALITY=FAIL"]
    assert list(home.iterdir()) == []
    assert not (tmp_path / ".soda").exists()


# -- the report ----------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page says, and what it would load."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


REPORT = QualityReport(
    (
        CheckResult("gold.quiet", "all_is_well", "pass", 1.0),
        CheckResult("silver.odd", "move_is_small", "warn", 1.0, "1 found", ("equity:A|1d",)),
        CheckResult(
            "silver.bad",
            "close_is_<b>small</b>",
            "fail",
            80.0,
            "80 found; <script>alert(1)</script>",
            tuple(f"equity:<i>{n}</i>" for n in range(20)),
        ),
        CheckResult("silver.broken", "nobody_knows", "error", detail="Binder Error"),
    ),
    inactive=("silver.unused",),
)


def test_the_report_tells_what_failed_and_where(tmp_path: Path) -> None:
    path = tmp_path / "quality" / "a build" / "index.html"
    write_report(REPORT, path, metadata={"Build": "b-1 <&>"})
    page = Page(path)
    text = " ".join(page.text.split())
    assert text.startswith("FAIL: Quality report FAIL Quality report")
    assert "1 no verdict, 1 failed, 1 warned, 1 passed; 1 table not in use" in text
    assert "Build b-1 <&>" in text
    order = ["silver.broken", "silver.bad", "silver.odd", "gold.quiet", "silver.unused"]
    assert sorted(order, key=text.index) == order
    assert "80 found; <script>alert(1)</script>" in text
    assert "equity:<i>19</i>" in text
    assert "The first 20 of 80." in text
    assert not {"script", "b", "i", "link", "img"} & set(page.tags)
    assert page.loads == []
    assert "http" not in path.read_text(encoding="utf-8")


def test_the_report_of_a_good_build_says_pass(tmp_path: Path) -> None:
    passed = QualityReport(tuple(r for r in REPORT.results if r.outcome in ("pass", "warn")))
    write_report(passed, tmp_path / "index.html", title="Gate", metadata={})
    text = " ".join(Page(tmp_path / "index.html").text.split())
    assert text.startswith("PASS: Gate PASS Gate 1 warned, 1 passed")
    assert "not in use" not in text
