"""What no single module can promise: who may know whom, and what must not be in the repository."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT

PACKAGES = ("ingest", "orchestration")
MODULES = [path for package in PACKAGES for path in (PROJECT_ROOT / package).rglob("*.py")]
NOT_FOR_INGEST = ("dagster", "dagster_dbt", "dbt", "orchestration", "soda")
REGISTRIES = tuple(
    # In pieces, so that this file passes its own test.
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("hub", "getdbt", "com"),
        ("registry", "npmjs", "org"),
        ("conda", "anaconda", "org"),
    )
)
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an access key of a cloud": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of a code host": r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})",
    "a token of a chat": r"\bxox[abprs]-[\w-]{10,}",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'{}<>]+:[^\s/:@\"'{}<>]+@[a-z]",
    "a secret setting with a value": r"(?m)^TAPEHOUSE_\w*(KEY|SECRET|TOKEN|PASSWORD)\w*=\S+",
}


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(PROJECT_ROOT)) for path in paths]


def imports(path: Path) -> Iterator[str]:
    """Yield every module a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_every_module_says_what_it_holds(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "its first line says what belongs here"
    assert docstring.splitlines()[0].endswith((".", "?"))


def test_ingest_knows_nothing_of_what_drives_it() -> None:
    found = {
        (str(path.relative_to(PROJECT_ROOT)), name)
        for path in (PROJECT_ROOT / "ingest").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in NOT_FOR_INGEST
    }
    assert not found


def test_importing_ingest_loads_nothing_of_it_either() -> None:
    modules = ", ".join(
        ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
        for path in (PROJECT_ROOT / "ingest").rglob("*.py")
        if path.name != "__init__.py"
    )
    code = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert not {name.split(".")[0] for name in json.loads(done.stdout)} & set(NOT_FOR_INGEST)


def test_the_linter_forbids_what_this_test_does() -> None:
    config = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ruff = config["tool"]["ruff"]["lint"]
    banned = ruff["flake8-tidy-imports"]["banned-api"]
    assert set(NOT_FOR_INGEST) <= banned.keys()
    exempt = {pattern for pattern, codes in ruff["per-file-ignores"].items() if "TID251" in codes}
    assert exempt == {"orchestration/**", "tests/**"}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - wherever git is
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not in a checkout")
    paths = [PROJECT_ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        try:
            yield str(path.relative_to(PROJECT_ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # compressed or an image
            continue


def test_no_file_names_a_package_registry() -> None:
    found = {(name, host) for name, text in texts() for host in REGISTRIES if host in text}
    assert not found


def test_no_file_holds_a_secret() -> None:
    found = {
        (name, kind)
        for name, text in texts()
        for kind, pattern in SECRETS.items()
        if re.search(pattern, text)
    }
    assert not found


def test_nothing_that_is_made_is_tracked() -> None:
    made = re.compile(
        r"(^|/)(target|logs|__pycache__|\.venv)/|\.(duckdb|duckdb\.wal|pyc|log)$|(^|/)\.env$"
    )
    assert not [
        name for name in (str(p.relative_to(PROJECT_ROOT)) for p in tracked()) if made.search(name)
    ]
