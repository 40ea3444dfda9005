"""Warehouses for tests: each made once per test run, whichever worker comes first, and then copied.

Not for what one test lands, breaks or asks: that is in the test.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingest.clock import parse_iso
from ingest.lake import Lake
from ingest.provider import Provider, Request
from ingest.providers import sample, simulator
from ingest.providers.sample import Sample
from ingest.providers.simulator import Simulator
from ingest.settings import Settings
from orchestration import line
from orchestration.candidate import Candidate
from orchestration.candidate import load as load_candidate
from orchestration.dbt import project_dir
from orchestration.parsed_dbt import PARSED as PARSED_FILE
from orchestration.run_records import RunRecord
from orchestration.table_hashes import OF_ROUNDED_SUMS, RUN_RECORDS, table_hashes
from tests.dbt import forked_dbt
from tests.orchestration import forked_cli

BTC = "SIM-BTC/USD"
SIMULATED_END = simulator.START + timedelta(days=4)
"""Long enough for every kind of fault to occur once."""

INBOX_DAYS = ("2013-02-20", "2013-02-21", "2013-02-22")
INBOX_CLOSE = "9999.5"
INBOX_FILE = "\n".join(
    [
        "asset_class,symbol,timeframe,bar_start_at,open,high,low,close,volume",
        *(f"equity,AAPL,1d,{day},9999,10000,9998,{INBOX_CLOSE},7" for day in INBOX_DAYS),
        "equity,ODD,1d,2013-02-20,10,11,9,10.5,n/a",
        "",
    ]
)
"""Bars that another provider has too, and one with a volume that is no number."""

PROJECT_VARIABLE = "TAPEHOUSE_DBT_PROJECT_DIR"
PARSED = Path("target", "candidate")
"""Where in a project's folder dbt leaves it parsed."""
BUILT_BY_DBT = ("target", "logs")


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` fills once per test run, for all its workers."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, done = root / name, root / f".{name}.done"
    with (root / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def isolate(patch: pytest.MonkeyPatch, project: Path, folder: Path) -> None:
    """Let nothing of the caller's environment in, and nothing out of `folder`."""
    for name in list(os.environ):
        if name.startswith(("TAPEHOUSE_", "DAGSTER_", "DBT_")):
            patch.delenv(name)
    patch.setenv(PROJECT_VARIABLE, str(project))
    patch.setenv("TAPEHOUSE_DATA_DIR", str(folder / "data"))
    patch.setenv("TAPEHOUSE_PULLS", str(folder / "pulls.yml"))
    (folder / "pulls.yml").write_text("pulls: []\n", encoding="utf-8")
    patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
    patch.setenv("COLUMNS", "500")  # lines are not broken inside paths
    patch.setenv("NO_COLOR", "1")
    patch.chdir(folder)  # a .env file is read from the working folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the dbt project, parsed as `ensure_manifest` does. Not to be changed.

    What dbt said is beside its manifest, in `said.jsonl`.
    """

    def make(folder: Path) -> None:
        copy_project(project_dir(), folder)
        target = str(folder / PARSED)
        done = subprocess.run(
            [
                *(executable("tapehouse-dbt"), "--log-format", "json"),
                *("parse", "--target-path", target, "--log-path", target),
            ],
            cwd=folder,
            env={**os.environ, "TAPEHOUSE_DATABASE": "candidate.duckdb"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / PARSED / "said.jsonl").write_text(done.stdout, encoding="utf-8")

    folder = shared(tmp_path_factory, "project", make)
    forked_dbt.start(folder / PARSED / PARSED_FILE)
    return folder


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path) -> None:
    """Run every test in its own folder, on the copied dbt project."""
    isolate(monkeypatch, project, tmp_path)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """Return a warehouse with one published version. Not to be changed.

    One stock, four days of a simulated pair with faults, and a dropped file.
    """

    def make(folder: Path) -> None:
        settings = Settings(data_dir=folder)
        land_sample(settings, "AAPL")
        land_simulated(settings, Simulator(faults=True))
        drop(settings, "bars.csv", INBOX_FILE)
        (report,) = line.ingest_inbox(settings, datasets=["bars"])
        assert report.rows == len(INBOX_DAYS) + 1
        build(settings)
        assert line.publish(settings)

    return _made_in_isolation(tmp_path_factory, project, "small", make)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory, project: Path, small: Path) -> Path:
    """Return `small` with more in its lake and a candidate that passed. Not to be changed.

    One stock more, and late corrections of the simulated pair.
    """

    def make(folder: Path) -> None:
        settings = copied(small, folder)
        land_sample(settings, "MSFT")
        land_simulated(settings, Simulator(faults=True, revision=1), force=True)
        assert build(settings).status == "passed"

    return _made_in_isolation(tmp_path_factory, project, "ready", make)


def _made_in_isolation(
    factory: pytest.TempPathFactory, project: Path, name: str, make: Callable[[Path], None]
) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, project, factory.mktemp("elsewhere"))
        return shared(factory, name, make)


def copied(source: Path, target: Path) -> Settings:
    """Copy a warehouse and return the settings of the copy."""
    shutil.copytree(source, target, symlinks=True)
    return Settings(data_dir=target)


def copy_project(source: Path, target: Path) -> Path:
    """Copy a dbt project without what dbt made of it."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*BUILT_BY_DBT))
    return target


def edited_project(project: Path, target: Path, edits: Mapping[str, Callable[[str], str]]) -> Path:
    """Copy a parsed dbt project and edit files of it; every edit must change something."""
    shutil.copytree(project, target)
    for name, edit in edits.items():
        path = target / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = edit(before)
        assert after != before, f"the edit of {name} changes nothing"
        path.write_text(after, encoding="utf-8")
    return target


def land(settings: Settings, provider: Provider, *bars: Request, force: bool = False) -> None:
    """Land bars of a provider, and all its lists."""
    lists = [
        [Request(name)] for name, dataset in provider.datasets.items() if dataset.kind == "extract"
    ]
    for requests in ([*bars], *lists):
        assert line.ingest_requests(settings, provider, requests, force=force).is_complete


def land_sample(settings: Settings, symbol: str) -> None:
    """Land one stock of the sample."""
    land(settings, Sample(), Request("bars", symbol, "1d", sample.START, sample.END))


def land_simulated(settings: Settings, market: Simulator, *, force: bool = False) -> None:
    """Land some days of a simulated pair."""
    wanted = Request("bars", BTC, "1m", simulator.START, SIMULATED_END)
    land(settings, market, wanted, force=force)


def drop(settings: Settings, name: str, text: str) -> Path:
    """Drop a file into the inbox, as if a while ago: what is fresh is left alone."""
    path = settings.data.inbox / "bars" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1e9, 1e9))
    return path


def build(settings: Settings, *, as_of: datetime | None = None) -> RunRecord:
    """Build and return the record, which must be good."""
    record = line.build(settings, as_of=as_of).record
    assert record.status != "failed", record.error
    return record


def candidate_of(settings: Settings) -> Candidate:
    """Return the candidate, which must be there."""
    candidate = load_candidate(settings.data)
    assert candidate
    return candidate


def last_fetched_at(settings: Settings) -> datetime:
    """Return when the newest batch of the lake was fetched."""
    return max(parse_iso(batch.fetched_at) for batch in Lake(settings.data).batches())


def hashes(path: Path) -> dict[str, str]:
    """Return the hashes of the tables of a database file that are the same to the bit."""
    with duckdb.connect(str(path.resolve()), read_only=True) as connection:
        return table_hashes(connection, exclude=(*RUN_RECORDS, *OF_ROUNDED_SUMS))


def exact(table_hashes: Mapping[str, str]) -> dict[str, str]:
    """Return those of a record's table hashes that are the same to the bit."""
    return {name: value for name, value in table_hashes.items() if name not in OF_ROUNDED_SUMS}


def query(path: Path, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """Ask a database file."""
    with duckdb.connect(str(path.resolve()), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql, list(parameters)).fetchall()


def tapehouse(
    data: Path, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the `tapehouse` command on a warehouse, with environment variables besides."""
    env = {**os.environ, "TAPEHOUSE_DATA_DIR": str(data), **variables}
    return forked_cli.run(arguments, env=env, stdin=stdin)


def executable(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, relative to it."""
    yield from (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
