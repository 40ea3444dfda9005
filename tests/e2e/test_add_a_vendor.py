"""The README's example vendor, added to a copy of the project word for word, works."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT
from tests.dbt.warehouse import Warehouse

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Add a vendor\n")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"(?ms)^`([^`\n]+)`: [^\n]+\n\n```\S+\n(.+?)^```", SECTION))
LINES = {
    (where.split("`")[1], line)
    for where, line in re.findall(r"(?m)^\| (`.+?) \| `([^`]+)`.* \|$", SECTION)
}
MOST_LINES = 100

SELECTION = (
    *("--select", "+record_balance", "+bars", "resource_type:seed"),
    *("--exclude-resource-type", "unit_test", "--indirect-selection", "cautious"),
)
"""What its staging feeds, as far as records are decided upon and counted, with its tests."""

BUILD = f"""
import sys
from pathlib import Path
from ingest.settings import DataDir
from tests.dbt.vendors.conftest import land_all
from tests.dbt.warehouse import Warehouse

warehouse = Warehouse(Path(sys.argv[1]))
land_all(DataDir(warehouse.data))
warehouse.build(*{SELECTION})
"""

SHARE = """
import os
from pathlib import Path
from tests.orchestration import warehouses

warehouses.shared = lambda factory, name, make: Path(os.environ["ALREADY_BUILT"])
"""
"""A plugin of pytest: what tests share is there already."""

OF_ALL_VENDORS = (
    "tests/dbt/vendors/test_every_vendor.py",
    "tests/dbt/vendors/test_odd_records.py::test_every_dataset_is_odd_somewhere",
    *(
        f"tests/dbt/test_declarations_agree.py::test_{name}"
        for name in (
            "sources_are_the_datasets_that_can_land",
            "source_columns_are_the_fields_that_land",
            "every_source_is_staged_and_every_staging_model_reads_one_source",
            "all_source_columns_are_described",
            "finality_lags_are_those_of_the_providers",
            "bars_have_a_precedence_for_each_of_their_asset_classes",
            "every_provider_is_described",
            "every_dataset_is_static_or_has_a_limit",
            "models_say_what_a_row_is",
        )
    ),
)
"""Tests that every vendor is in."""


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
    count = len(written) + len(LINES)
    assert len(FILES) == 7
    assert len(LINES) == 6
    assert count < MOST_LINES
    assert f"Seven small files and six lines, {count} lines in all." in SECTION
    # No block of code is left out above.
    assert SECTION.count("```") == 2 * len(FILES)


def test_its_loader_and_linters_pass(project: Path) -> None:
    python = [name for name in FILES if name.endswith(".py")]
    for args in (
        ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ingest/test_acme.py"),
        ("-m", "ruff", "check", *python),
        ("-m", "ruff", "format", "--check", *python),
    ):
        done = _run(project, *args)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # as all of what follows: the whole project is parsed, compiled, built
def test_its_staging_passes_the_linter(project: Path) -> None:
    (sql,) = (name for name in FILES if name.endswith(".sql"))
    where = {"TAPEHOUSE_DATABASE": ":memory:", "TAPEHOUSE_DATA_DIR": "/nonexistent"}
    done = _run(project, "-m", "sqlfluff", "lint", sql, **where)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_its_records_are_built_and_pass_what_every_vendor_must(
    project: Path, tmp_path: Path
) -> None:
    """Build what it feeds with dbt's tests; of that ask its own tests, and those of all vendors."""
    warehouse = Warehouse(tmp_path / "warehouse")
    done = _run(project, "-c", BUILD, str(warehouse.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = warehouse.outcomes()
    assert outcomes["stg_acme__bars"] == "success"
    tests = [name for name, outcome in outcomes.items() if outcome == "pass"]
    assert len(tests) > 50
    assert any("bar_versions" in name for name in tests)

    (tmp_path / "share.py").write_text(SHARE, encoding="utf-8")
    done = _run(
        project,
        *("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-p", "share"),
        *("tests/dbt/vendors/test_acme.py", *OF_ALL_VENDORS),
        PYTHONPATH=f"{project}{os.pathsep}{tmp_path}",
        ALREADY_BUILT=str(warehouse.folder),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{1 + len(OF_ALL_VENDORS)} passed" in done.stdout


def test_seeds_keep_their_columns(project: Path) -> None:
    for name, _ in LINES:
        if name.endswith(".csv"):
            with (project / name).open(encoding="utf-8") as file:
                header, *records = csv.reader(file)
            assert {len(record) for record in records} == {len(header)}
