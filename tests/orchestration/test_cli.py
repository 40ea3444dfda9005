"""The `tapehouse` command: what it says, and the exit code scripts go by."""

import asyncio
import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console
from rich.progress import Progress

from ingest.backfill import Failure, LandingReport, Step
from ingest.clock import utc_now
from ingest.http import Policy
from ingest.lake import Lake
from ingest.provider import Answer, Dataset, EntitlementError, QuotaSpentError, Request
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.providers.simulator import Simulator
from ingest.pulls import asks
from ingest.refusals import REFUSALS, Refusals
from ingest.settings import DataDir, Environment, Settings
from ingest.vendor_state import BreakerState, VendorState
from orchestration import cli, publication, summary
from orchestration.candidate import builder_lock
from orchestration.dbt import DbtError
from orchestration.run_records import RunRecord
from tests.orchestration.database_files import candidate
from tests.orchestration.warehouses import (
    INBOX_FILE,
    PROJECT_VARIABLE,
    candidate_of,
    copied,
    drop,
    executable,
)

COMMANDS = (
    "ingest", "build", "publish", "versions", "rollback", "status", "demo", "dev", "shell", "chart",
    "docs", "export-features", "serve",
)  # fmt: skip
INGEST = ("backfill", "incremental", "inbox", "stream")
ONE_DAY = ("--start", "2024-01-08", "--end", "2024-01-09", "--symbols", "SIM-BTC/USD")
USAGE, FAILED, FINE = 2, 1, 0
WIDTH = 500


@dataclass(frozen=True)
class Shown:
    """What a command wrote, with its lines and boxes joined to one text, and how it ended."""

    code: int
    text: str


Run = Callable[..., Shown]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process, as the console script does."""
    # Wide enough for paths; a terminal breaks them.
    monkeypatch.setattr(cli, "output", Console(width=WIDTH))
    monkeypatch.setattr(cli, "console", Console(width=WIDTH, stderr=True))

    def call(*arguments: str) -> Shown:
        monkeypatch.setattr(sys, "argv", ["tapehouse", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Shown(code if isinstance(code, int) else 0, joined(out + err))

    return call


@pytest.fixture
def data() -> DataDir:
    """Return the warehouse that commands of this test work on."""
    return Settings().data


def joined(text: str) -> str:
    return " ".join(re.sub(r"[╭╮╰╯│─┃━┏┓┡┩└┘┬┴╇┳┷┼]", " ", text).split())


# -- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [(), *((name,) for name in COMMANDS), *(("ingest", name) for name in INGEST)],
)
def test_every_command_explains_itself(run: Run, arguments: tuple[str, ...]) -> None:
    shown = run(*arguments, "--help")
    assert shown.code == FINE
    assert shown.text.startswith(" ".join(("Usage: tapehouse", *arguments)))
    described = shown.text.split("[ARGS]...")[-1].split("Options")[0]
    assert re.search(r"[A-Z].* .*\.", described), "a sentence says what it does"


def test_the_help_lists_every_command(run: Run) -> None:
    text = run("--help").text
    assert all(f" {command} " in text for command in COMMANDS)
    assert set(COMMANDS) == {
        *(str(command.name or command.callback.__name__) for command in cli.app.registered_commands
          if command.callback),
        *(str(group.name) for group in cli.app.registered_groups),
    }  # fmt: skip


def test_no_command_is_a_request_for_help(run: Run) -> None:
    assert "Usage: tapehouse" in run().text
    assert "Usage: tapehouse ingest" in run("ingest").text


def test_the_console_script_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [executable("tapehouse"), "versions"],
        env={**os.environ, "TAPEHOUSE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (FINE, "")
    assert "version" in done.stdout


# -- ingest --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--provider", "nyse"), "no provider 'nyse'; there are: alpaca, alpaca_iex, alpaca_sip,"),
        (("--provider", "nyse"), "Files are landed with `tapehouse ingest inbox`"),
        (("--provider", "inbox"), "there is no provider 'inbox'"),
        (("--provider", "sample", "--timeframes", "1h"), "sample has no '1h' bars; it has 1d"),
        (
            ("--provider", "simulator", "--timeframes", "5m"),
            "simulator has no '5m' bars; it has 1m. Coarser bars are derived.",
        ),
        (("--provider", "sample", "--timeframes", "2d"), "sample has no '2d' bars"),
        (
            ("--provider", "coinbase", "--days", "3"),
            "no symbols are configured for coinbase: name some, e.g. --symbols BTC/USD",
        ),
        (
            ("--provider", "coinbase", "--symbols", "BTC/USD"),
            "give --start or --days: how far back to go",
        ),
        (
            ("--provider", "coinbase", "--symbols", "BTC-USD,eth/usd", "--days", "3"),
            "'BTC-USD' is not canonical: write BTC/USD; 'eth/usd' is not canonical: write ETH/USD",
        ),
        (
            ("--provider", "fmp", "--dataset", "splits", "--symbols", "aapl"),
            "'aapl' is not canonical: write AAPL",
        ),
        (
            (
                *("--provider", "alpha_vantage", "--asset-class", "fx", "--symbols", "EUR/USD"),
                *("--timeframes", "1d", "--days", "3"),
            ),
            "alpha_vantage has no '1d' bars of fx; it has 1m, 5m, 15m, 1h.",
        ),
        (
            ("--provider", "sample", "--start", "2010-01-01", "--days", "3"),
            "give --start or --days, not both",
        ),
        (("--provider", "sample", "--start", "soon"), "'soon' is neither a day (2024-01-31) nor"),
        (("--provider", "sample", "--start", "2010-02-30"), "'2010-02-30' is neither a day"),
        (
            ("--provider", "sample", "--start", "2010-01-02", "--end", "2010-01-01"),
            "the range is empty: it starts at 2010-01-02 00:00Z and ends at 2010-01-01 00:00Z",
        ),
        (("--provider", "sample", "--faults"), "only the simulator has --faults and --revision"),
        (("--provider", "sample", "--days", "many"), "Invalid value for '--days'"),
        (
            ("--provider", "coinbase", "--dataset", "trades"),
            "coinbase has no dataset 'trades'; it has bars, products",
        ),
        (
            ("--provider", "alpha_vantage", "--symbols", "IBM", "--days", "3"),
            "bars of alpha_vantage needs one of equity, crypto, fx",
        ),
        (
            ("--provider", "fmp", "--symbols", "BTC/USD", "--asset-class", "crypto"),
            "fmp has bars of equity",
        ),
        (
            ("--provider", "fmp", "--dataset", "company_profiles"),
            "no symbols are configured for fmp: name some, e.g. --symbols AAPL",
        ),
        (("--provider", "reddit"), "name one of posts"),
        (
            (
                "--provider",
                "alpaca",
                "--dataset",
                "news",
                "--symbols",
                "IBM",
                "--asset-class",
                "equity",
                "--timeframes",
                "1d",
            ),
            "alpaca has no '1d' news; it has no timeframes.",
        ),
        ((), "Missing option '--provider'"),
    ],
)
def test_a_backfill_that_makes_no_sense_is_explained(
    run: Run, data: DataDir, arguments: tuple[str, ...], message: str
) -> None:
    shown = run("ingest", "backfill", *arguments)
    assert shown.code == USAGE
    assert message in shown.text
    assert not data.lake.exists(), "nothing is landed"


def test_a_backfill_shows_what_it_landed(run: Run) -> None:
    first = run("ingest", "backfill", "--provider", "simulator", *ONE_DAY)
    assert first.code == FINE
    assert "simulator bars 1 1,437 0 0 0" in first.text
    again = run("ingest", "backfill", "--provider", "simulator", *ONE_DAY)
    assert "simulator bars 0 0 0 0 0" in again.text
    forced = run("ingest", "backfill", "--provider", "simulator", *ONE_DAY, "--force")
    assert "simulator bars 1 0 1 0 0" in forced.text
    revised = run(
        "ingest", "backfill", "--provider", "simulator", *ONE_DAY, "--force", "--revision", "1"
    )
    assert "simulator bars 1 1,437 0 0 0" in revised.text


def test_a_symbol_the_vendor_does_not_have_fails_alone(run: Run) -> None:
    shown = run("ingest", "backfill", "--provider", "sample", "--symbols", "IBM, ENRON")
    assert shown.code == FAILED
    assert "sample bars 2 3,270 0 0 1" in shown.text
    assert "bars ENRON 1d" in shown.text
    assert "the sample has no symbol 'ENRON'; it has AAPL, FB, GOOG, IBM, MSFT" in shown.text


def test_symbols_that_fail_alike_are_told_once(run: Run, tmp_path: Path) -> None:
    listed = tmp_path / "symbols.csv"
    listed.write_text("symbol\nIBM\n" + "".join(f"X{n}\n" for n in range(200)), encoding="utf-8")
    shown = run("ingest", "backfill", "--provider", "sample", "--symbols-file", str(listed))
    assert shown.code == FAILED
    assert "sample bars 201 3,270 0 0 200" in shown.text
    assert "sample bars: 200 requests failed alike, the first: bars X0 1d" in shown.text
    assert shown.text.count("the sample has no symbol") == 1


def test_one_dataset_is_landed_alone(run: Run, data: DataDir) -> None:
    shown = run("ingest", "backfill", "--provider", "sample", "--dataset", "corporate_actions")
    assert (shown.code, "sample corporate_actions 1 3 0 0 0" in shown.text) == (FINE, True)
    assert [(batch.provider, batch.dataset) for batch in Lake(data).batches()] == [
        ("sample", "corporate_actions")
    ]


class Recorder(Simulator):
    """A simulator that is like a vendor on the net: it spells symbols its own way."""

    datasets: Mapping[str, Dataset] = {
        "bars": replace(Simulator.datasets["bars"], asset_classes=("crypto", "equity")),
    }
    asked: ClassVar[list[Request]] = []

    def spell(self, symbol: str, asset_class: str) -> str:
        return f"SIM-{symbol}" if asset_class == "crypto" else symbol

    def default_request(self, dataset: str) -> Iterable[Request]:
        del dataset
        return ()

    async def fetch(self, request: Request) -> Answer:
        self.asked.append(request)
        return await super().fetch(request)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Put a recorder in place of all providers and return what it is asked."""
    monkeypatch.setattr(Recorder, "asked", [])
    monkeypatch.setattr(cli, "make_providers", lambda _: {"simulator": Recorder()})
    return Recorder.asked


CRYPTO = ("--provider", "simulator", "--asset-class", "crypto", "--start", "2024-01-08")


def test_a_backfill_takes_canonical_symbols(run: Run, recorded: list[Request]) -> None:
    shown = run("ingest", "backfill", *CRYPTO, "--end", "2024-01-09", "--symbols", "BTC/USD")
    assert shown.code == FINE
    (request,) = recorded
    assert str(request) == "bars SIM-BTC/USD 1m 2024-01-08T00:00..2024-01-09T00:00"
    assert request.params == {"asset_class": "crypto"}


PULLS = """
pulls:
  - {provider: simulator, dataset: bars, asset_class: crypto, symbols: [BTC/USD, ETH/USD],
     timeframes: [1m], since: 2024-01-08, enabled: ENABLED}
  - {provider: simulator, dataset: bars, asset_class: equity, symbols: [NONE], timeframes: [1m],
     since: 2024-01-08, enabled: false}
"""


def declare(text: str) -> Path:
    path = Settings().pulls
    path.write_text(text, encoding="utf-8")
    return path


def test_a_backfill_defaults_to_the_symbols_that_are_pulled(
    run: Run, recorded: list[Request]
) -> None:
    declare(PULLS.replace("ENABLED", "false"))
    assert run("ingest", "backfill", *CRYPTO, "--end", "2024-01-09").code == FINE
    assert [request.symbol for request in recorded] == ["SIM-BTC/USD", "SIM-ETH/USD"]


@pytest.fixture
def short_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is pulled end on the third day."""
    monkeypatch.setattr(cli, "asks", partial(asks, clock=lambda: datetime(2024, 1, 10, tzinfo=UTC)))


@pytest.mark.usefixtures("short_history")
def test_incremental_lands_what_is_declared_and_missing(
    run: Run, recorded: list[Request], data: DataDir
) -> None:
    path = declare(PULLS.replace("ENABLED", "true"))
    first = run("ingest", "incremental")
    assert first.code == FINE
    assert f"1 of 2 entries of {path} are off: `tapehouse status` says why" in first.text
    assert {request.symbol for request in recorded} == {"SIM-BTC/USD", "SIM-ETH/USD"}
    rows = sum(batch.rows for batch in Lake(data).batches("simulator", "bars"))
    assert f"simulator bars 2 {rows:,} 0 0 0" in first.text
    assert "simulator bars 0 0 0 0 0" in run("ingest", "incremental").text
    assert "simulator bars 2 0 2 0 0" in run("ingest", "incremental", "--force").text


def test_incremental_without_anything_declared(run: Run) -> None:
    assert (run("ingest", "incremental").code, run("ingest", "incremental").text) == (
        FINE, "Nothing to pull",
    )  # fmt: skip
    unknown = run("ingest", "incremental", "--provider", "nyse")
    assert (unknown.code, "there is no provider 'nyse'" in unknown.text) == (USAGE, True)


def test_a_pulls_file_with_a_mistake_stops_incremental_but_not_status(run: Run) -> None:
    path = declare("pulls:\n  - {provider: coinbse, dataset: products}\n")
    problem = f"{path}:2: entry 1: provider: there is no provider 'coinbse': did you mean coinbase?"
    shown = run("ingest", "incremental")
    assert (shown.code, shown.text) == (FAILED, f"Error: {problem}")
    status = run("status")
    assert (status.code, problem in status.text) == (FINE, True)


@pytest.mark.usefixtures("short_history")
def test_a_provider_that_stops_answering_is_told_once(
    run: Run, recorded: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spent(_: Recorder, request: Request) -> Answer:
        recorded.append(request)
        raise QuotaSpentError("25 a day are spent", datetime(2024, 1, 11, tzinfo=UTC))

    monkeypatch.setattr(Recorder, "fetch", spent)
    monkeypatch.setattr(Recorder, "policy", Policy(concurrency=1), raising=False)
    declare(PULLS.replace("ENABLED", "true"))
    shown = run("ingest", "incremental")
    assert (shown.code, len(recorded)) == (FAILED, 1)
    assert (
        "simulator bars: 1 requests were not asked: 25 a day are spent (until 2024-01-11 00:00Z)"
    ) in shown.text


def told(*reports: LandingReport) -> str:
    console = Console(width=WIDTH, file=StringIO())
    summary.show_landed(console, reports)
    assert isinstance(console.file, StringIO)
    return joined(console.file.getvalue())


def test_it_is_told_why_another_provider_was_asked() -> None:
    report = LandingReport("alpaca_sip", "bars", asked=3, passed_on=Counter(alpaca_iex=4))
    report.passed_on_because = {"alpaca_iex": {"EntitlementError": "not in [this] plan"}}
    assert "dataset requests rows unchanged dead letters failed asked elsewhere" in told(report)
    assert "alpaca_iex was asked in its place 4 times: not in [this] plan" in told(report)


def test_what_was_refused_before_is_told_once_and_is_not_landed() -> None:
    report = LandingReport("fmp", "bars")
    report.refused = [
        Failure(Request("bars", symbol, "1m"), f"refused on 2026-03-01: no {symbol} in the plan")
        for symbol in ("AAPL", "MSFT")
    ]
    text = told(report)
    assert "fmp bars 0 0 0 0 0 2" in text
    assert (
        "fmp bars: 2 requests were refused alike, the first: bars AAPL 1m: refused on 2026-03-01:"
        " no AAPL in the plan"
    ) in text
    assert not report.is_complete


def test_a_bar_per_provider_shows_its_rate_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([100.0, 102.0, 104.0, 104.0])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(now))
    seen: list[str] = []

    class Watched(Progress):
        def stop(self) -> None:
            for task in self.tasks:
                rate = task.fields["rate"]
                seen.append(f"{task.description} {task.completed:g}/{task.total:g} {rate}")
            super().stop()

    monkeypatch.setattr(cli, "Progress", Watched)
    monkeypatch.setattr(cli, "console", Console(quiet=True))
    vantage = AlphaVantage(Environment({}))
    with cli._bars({"alpha_vantage": vantage}) as advance:
        advance(Step("alpha_vantage", 1, 40, 50, "bars IBM"))
        advance(Step("alpha_vantage", 8, 40, 4000, "bars IBM"))
        advance(Step("coinbase", 1, 2, 300, "bars BTC-USD"))
    assert seen == [
        "alpha_vantage 8/40 2.0 requests/s 1,000 rows/s 25 left",
        "coinbase 1/2 0.2 requests/s 75 rows/s",
    ]


@pytest.mark.usefixtures("short_history", "recorded")
def test_ctrl_c_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stopped(_: Recorder, request: Request) -> Answer:
        if request.symbol == "SIM-BTC/USD":
            return Answer(request, datetime(2024, 1, 10, tzinfo=UTC), [{"symbol": "x"}])
        signal.raise_signal(signal.SIGTERM)
        return await asyncio.Future()

    monkeypatch.setattr(Recorder, "fetch", stopped)
    declare(PULLS.replace("ENABLED", "true"))
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    try:
        shown = run("ingest", "incremental")
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)
    assert shown.code == cli.STOPPED
    assert "simulator bars 2 1 0 0 0" in shown.text
    assert "Run the same command for the rest" in shown.text


def test_the_status_tells_of_pulls_and_vendors(run: Run, data: DataDir) -> None:
    declare(
        "pulls:\n"
        "  - {provider: coinbase, dataset: bars, symbols: [A/USD, B/USD, C/USD, D/USD, E/USD,"
        " F/USD], timeframes: [1h, 1d], since: 30d}\n"
        "  - {provider: fmp, dataset: splits, symbols: [IBM]}\n"
        "  - {provider: kraken, dataset: asset_pairs, enabled: false}\n"
    )
    until = datetime(2126, 3, 1, 12, tzinfo=UTC)
    state = VendorState(
        "fmp", BreakerState.OPEN, until=until, is_quota_spent=True, last_error="[red]spent",
        quota_remaining=0,
    )  # fmt: skip
    data.vendors.mkdir(parents=True)
    said = {"quota_remaining": 41, "quota_remaining_at": utc_now()}
    lately = VendorState("alpaca", **said)  # type: ignore[arg-type]
    said["quota_remaining_at"] = utc_now() - timedelta(minutes=1)
    long_ago = VendorState("alpaca_iex", **said)  # type: ignore[arg-type]
    for each in (state, lately, long_ago, VendorState("alpha_vantage"), VendorState("coinbase")):
        (data.vendors / f"{each.provider}.json").write_text(each.to_json(), encoding="utf-8")
    why = EntitlementError("HTTP 402: the [plan] does not include it")
    for hour, symbols in ((0, "ABCDEFG"), (1, "ABCDEF")):
        then = datetime(2126, 3, 1, hour, tzinfo=UTC)
        refused = Refusals(data.vendors / REFUSALS, lambda then=then: then)  # type: ignore[misc]
        for symbol in symbols:
            refused.keep("fmp", "key", Request("bars", symbol, "1m"), why, str(why))
    text = run("status").text
    assert "alpaca closed 0 41 alpaca_iex closed 0 alpha_vantage closed 0 25" in text
    assert "alpha_vantage closed 0 25 coinbase closed 0 fmp open" in text
    assert (
        "Refused: fmp bars A, B, C, D and 2 more: refused on 2126-03-01, not asked again before"
        " 2126-03-08 01:00Z unless with --force: HTTP 402: the [plan] does not include it"
    ) in text
    assert "coinbase bars A/USD, B/USD, C/USD, D/USD, and 2 more 1h 1d 30d" in text
    assert "Off: fmp splits: fmp needs FMP_API_KEY" in text
    assert "Off: kraken asset_pairs: enabled is false" in text
    assert "fmp open until 2126-03-01 12:00Z, quota spent 0 0 [red]spent" in text


def test_the_inbox_says_where_to_drop_files(run: Run, data: DataDir) -> None:
    shown = run("ingest", "inbox")
    assert shown.code == FINE
    assert f"Nothing to land. Drop files into a folder of {data.inbox}: bars, " in shown.text


def test_the_inbox_tells_of_every_file(run: Run) -> None:
    drop(Settings(), "good.csv", INBOX_FILE)
    assert run("ingest", "inbox").code == FINE
    drop(Settings(), "again.csv", INBOX_FILE)
    drop(Settings(), "bad [red].csv", "asset_class,symbol\nequity,AAPL\n")
    shown = run("ingest", "inbox")
    assert shown.code == FAILED
    assert "again.csv already_landed" in shown.text
    assert "bad [red].csv rejected" in shown.text
    waiting = drop(Settings(), "later.csv", INBOX_FILE.replace("AAPL", "MSFT"))
    status = run("status").text
    assert f"Inbox: 1 waiting in {waiting.parents[1]}" in status
    assert "Inbox: 1 rejected in" in status


# -- build and publish ---------------------------------------------------------------------------


def test_a_project_that_does_not_parse_is_an_error_without_a_traceback(
    run: Run, data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dbt_project.yml").write_text("name: [/red] no project\n")
    monkeypatch.setenv(PROJECT_VARIABLE, str(tmp_path / "broken"))
    shown = run("build")
    assert shown.code == FAILED
    assert "Error: the dbt project does not parse" in shown.text
    assert "Traceback" not in shown.text
    assert not data.market.exists()


def test_an_expected_error_is_shown_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DbtError("model bars: [/] list[1] [bold]")

    monkeypatch.setattr(cli.line, "build", fail)
    shown = run("build")
    assert (shown.code, shown.text) == (FAILED, "Error: model bars: [/] list[1] [bold]")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "TAPEHOUSE_FMP_PER_MINUTE",
            "abc",
            "TAPEHOUSE_FMP_PER_MINUTE is 'abc': set it to the requests a minute of your plan",
        ),
        (
            "TAPEHOUSE_THREADS",
            "two",
            "TAPEHOUSE_THREADS is 'two': Input should be a valid integer",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_one_clear_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    shown = run("ingest", "incremental")
    assert shown.code == FAILED
    assert shown.text.startswith(f"Error: {says}")


@pytest.mark.usefixtures("short_history")
def test_a_full_disk_is_one_clear_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ingest.lake.os.fsync", fail)
    shown = run("ingest", "backfill", "--provider", "simulator", *ONE_DAY)
    says = (
        f"Error: {Settings().data.root}: No space left on device: make room and run the same"
        " command again; what was landed or published before is whole"
    )
    assert (shown.code, shown.text) == (FAILED, says)


def test_an_error_that_is_not_the_disk_s_is_not_taken_for_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "a bug")

    monkeypatch.setattr(cli.line, "build", fail)
    with pytest.raises(FileNotFoundError, match="a bug"):
        run("build")


def test_somebody_else_s_build_is_an_error_that_names_it(run: Run, data: DataDir) -> None:
    with builder_lock(data, "a build of mine"):
        shown = run("build")
    assert shown.code == FAILED
    assert "is locked by a build of mine" in shown.text


def test_nothing_to_publish_says_what_to_do(run: Run) -> None:
    shown = run("publish")
    expected = "Error: there is no candidate to publish; run `tapehouse build` first"
    assert (shown.code, shown.text) == (FAILED, expected)


def test_publish_rollback_hold_and_resume(run: Run, ready: Path, data: DataDir) -> None:
    settings = copied(ready, data.root)
    old, new = publication.current_version(data), candidate_of(settings).build_id
    shown = run("publish")
    assert (shown.code, shown.text) == (FINE, f"Published {new} as {data.market}")

    listed = run("versions").text
    published_at = publication.versions(data)[0].published_at[:19]
    megabytes = f"{publication.versions(data)[0].size_bytes / 1e6:,.1f} MB"
    assert f"{new} {published_at}Z {megabytes} current {old}" in listed
    assert listed.count("current") == 1

    shown = run("rollback", str(old))
    assert shown.code == FINE
    assert f"{old} is current Publication is held at {old} since" in shown.text
    assert f"Publication is held at {old}" in run("versions").text
    assert f"Publication is held at {old}" in run("status").text

    refused = run("publish")
    assert refused.code == FAILED
    assert "there is no candidate" in refused.text
    resumed = run("publish", "--resume")
    assert (resumed.code, resumed.text) == (FINE, f"Nothing to publish: {old} stays current")
    assert "held" not in run("versions").text


def test_a_rollback_to_what_is_not_kept_names_what_is(run: Run, data: DataDir) -> None:
    publication.publish_file(data, candidate(data, 1), "v1", keep=3)
    shown = run("rollback", "v2")
    assert (shown.code, shown.text) == (
        FAILED,
        "Error: there is no version 'v2'; kept are: v1",
    )


def test_no_version_yet(run: Run, data: DataDir) -> None:
    assert run("versions").code == FINE
    assert run("rollback", "v1").text.endswith("kept are: none")
    status = run("status")
    assert status.code == FINE
    assert "Published: nothing yet" in status.text
    assert not data.market.exists()


def test_the_status_shows_version_build_and_lake(run: Run, small: Path, data: DataDir) -> None:
    settings = copied(small, data.root)
    version = publication.current_version(settings.data)
    text = run("status").text
    assert f"Published: {version}" in text
    assert re.search(rf"Build {version}: passed; \d+ dbt tests and \d+ Soda checks passed", text)
    for line in ("sample bars 1 3,270 0", "inbox bars 1 4 0", "sample corporate_actions 1 3 0"):
        assert line in text


def test_the_status_shows_why_a_build_failed(run: Run, data: DataDir) -> None:
    RunRecord(
        build_id="20240301T000000000000Z-0",
        started_at="2024-03-01T00:00:00.000000Z",
        finished_at=None,
        status="failed",
        base_version=None,
        rules_fingerprint=None,
        as_of=None,
        is_full_refresh=True,
        error="model bars: a list[1] in [/brackets]",
    ).write(data)
    text = run("status").text
    assert "Build 20240301T000000000000Z-0: failed" in text
    assert "model bars: a list[1] in [/brackets]" in text


# -- programs it hands over to -------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the command lines of programs that would have taken this process's place."""
    commands: list[list[str]] = []

    def note(_program: str, command: list[str]) -> None:
        commands.append(command)

    monkeypatch.setattr(os, "execvp", note)
    return commands


def test_a_shell_needs_a_published_version(run: Run, started: list[list[str]]) -> None:
    shown = run("shell")
    assert shown.code == FAILED
    assert "nothing is published yet; run `make demo` or `tapehouse build`" in shown.text
    assert not started


def test_a_shell_opens_the_resolved_version_read_only(
    run: Run, started: list[list[str]], small: Path, data: DataDir
) -> None:
    copied(small, data.root)
    run("shell")
    ((program, *arguments),) = started
    assert Path(program).name == "duckdb"
    assert "-readonly" in arguments
    assert arguments[-1] == str(publication.current_path(data))


def test_the_ui_keeps_its_history_with_the_warehouse(
    run: Run, started: list[list[str]], data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    run("dev")
    assert started == [[cli._tool("dagster"), "dev", "-m", "orchestration.definitions"]]
    assert os.environ["DAGSTER_HOME"] == str(data.dagster_home)
    assert "enabled: false" in (data.dagster_home / "dagster.yaml").read_text(encoding="utf-8")


@pytest.mark.slow  # that everything is described is asked of the project itself, too
def test_docs_describe_every_published_table(run: Run, small: Path, data: DataDir) -> None:
    copied(small, data.root)
    before = data.market.read_bytes()
    assert run("docs", "--no-serve").code == FINE
    folder = data.build / "docs"
    assert (folder / "index.html").stat().st_size
    catalog = json.loads((folder / "catalog.json").read_text(encoding="utf-8"))
    assert "model.tapehouse.bars" in catalog["nodes"]
    assert data.market.read_bytes() == before
