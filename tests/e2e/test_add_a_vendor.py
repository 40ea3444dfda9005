"""The README's example vendor, added to a copy of the project word for word, works."""

import csv
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT
from tests.dbt.warehouse import WITHOUT_TESTS

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Add a vendor\n")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"(?ms)^`([^`\n]+)`: [^\n]+\n\n```\S+\n(.+?)^```", SECTION))
LINES = {
    (where.split("`")[1], line)
    for where, line in re.findall(r"(?m)^\| (`.+?) \| `([^`]+)`.* \|$", SECTION)
}
MOST_LINES = 100

LAND = """
import sys
from ingest.clock import parse_iso
from ingest.lake import Lake
from ingest.provider import Answer, Request
from ingest.providers import make_providers
from ingest.settings import DataDir, Settings
from pathlib import Path

acme = make_providers(Settings())["acme"]
candle = {"t": "1704067200", "o": "1.0", "h": "3.0", "l": "0.5", "c": "2.10", "v": "7"}
request = Request("bars", "BTC-EUR", "1h", parse_iso("2024-01-01"), parse_iso("2024-01-02"))
fetched = parse_iso("2024-01-03")
lake = Lake(DataDir(Path(sys.argv[1])), lambda: fetched)
lake.land("acme", acme.datasets["bars"], [Answer(request, fetched, [candle])])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with the vendor added as the README says."""
    copy = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (source := PROJECT_ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy / name)
    for name, text in FILES.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8")
    for name, line in LINES:
        _add(copy / name, line)
    return copy


def _add(path: Path, line: str) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        text += f"{line}\n"
    elif path.suffix == ".sql":
        text = text.replace("]) }}", f"    {line}\n]) }}}}")
    else:
        text = text.replace(
            "\nfrom ingest.rest", "\nfrom ingest.providers.acme import Acme\nfrom ingest.rest"
        )
        text = re.sub(r"(VENDORS: .+? = \(\n)", rf"\1    {line}\n", text)
    path.write_text(text, encoding="utf-8")


def _run(project: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_a_small_job() -> None:
    written = [line for text in FILES.values() for line in text.splitlines() if line.strip()]
    assert len(FILES) == 5
    assert 6 <= len(LINES) <= 8
    assert len(written) + len(LINES) < MOST_LINES


def test_its_tests_and_linters_pass(project: Path) -> None:
    for args in (
        ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ingest/test_acme.py"),
        ("-m", "ruff", "check", "ingest/providers/acme.py", "tests/ingest/test_acme.py"),
        (
            "-m",
            "ruff",
            "format",
            "--check",
            "ingest/providers/acme.py",
            "tests/ingest/test_acme.py",
        ),
    ):
        done = _run(project, *args)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_candles_reach_silver(project: Path, tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 - beside the process that writes the file

    data, database = tmp_path / "data", tmp_path / "warehouse.duckdb"
    done = _run(project, "-c", LAND, str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    dbt = _run(
        project / "dbt_project",
        *("-c", "from dbt.cli.main import cli; cli()", "build", "--select", "+bar_versions"),
        *WITHOUT_TESTS,
        *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "target")),
        PYTHONPATH=str(project),
        TAPEHOUSE_DATA_DIR=str(data),
        TAPEHOUSE_DATABASE=str(database),
    )
    assert dbt.returncode == 0, dbt.stdout + dbt.stderr
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            "select instrument_id, provider, bar_start_at, close, is_final from silver.bar_versions"
        ).fetchall()
    start = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    assert found == [("crypto:BTC/EUR", "acme", start, 2.1, True)]


def test_seeds_keep_their_columns(project: Path) -> None:
    for name, _ in LINES:
        if name.endswith(".csv"):
            with (project / name).open(encoding="utf-8") as file:
                header, *records = csv.reader(file)
            assert {len(record) for record in records} == {len(header)}
