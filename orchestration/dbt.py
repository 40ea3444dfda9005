"""Run dbt as a process of its own, on one database file, and read what it did.

A process, because an open DuckDB file belongs to one process: when dbt has ended, the file is free.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingest.settings import PROJECT_ROOT, DataDir, Settings

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
NodeDone = Callable[[int, int, str], None]
"""Called with nodes done, nodes in all, and the name of the last."""


class DbtError(RuntimeError):
    """A dbt command failed; the message names the models and tests that did."""


@dataclass(frozen=True)
class DbtResult:
    """What a `dbt build` did: seconds per model, and tests by outcome."""

    models: Mapping[str, float]
    tests_passed: int
    tests_failed: int
    failures: tuple[str, ...] = ()


def project_dir() -> Path:
    """Return the dbt project; `TAPEHOUSE_DBT_PROJECT_DIR` points elsewhere."""
    return Path(os.environ.get("TAPEHOUSE_DBT_PROJECT_DIR", PROJECT_DIR)).resolve()


def executable(name: str = "dbt") -> str:
    """Return a program of this environment, activated or not; see `orchestration.parsed_dbt`."""
    return str(Path(sys.executable).with_name(name))


def environment(data: DataDir, database: Path, unused: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables that point the dbt profile at a lake and a database file.

    Batches of the `unused` datasets (`provider.dataset`) are not seen, should any land meanwhile.
    """
    settings = Settings()
    return {
        "TAPEHOUSE_UNUSED_DATASETS": ",".join(sorted(unused)),
        "TAPEHOUSE_THREADS": str(settings.threads),
        "TAPEHOUSE_MEMORY_LIMIT": settings.memory_limit,
        "TAPEHOUSE_DATA_DIR": str(data.root),
        "TAPEHOUSE_DATABASE": str(database),
        "TAPEHOUSE_TEMP_DIRECTORY": str(data.build / "tmp"),
    }


def build_args(
    *,
    full_refresh: bool = False,
    as_of: str | None = None,
    refresh_models: Sequence[str] = (),
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[str]:
    """Return the dbt arguments of a build.

    Unit tests are left out: they test the SQL, not the data, and belong to `make test`. Variables
    are only given when they say something: other ones than last time make dbt parse anew.
    """
    args = ["build", "--exclude-resource-type", "unit_test"]
    if full_refresh:
        args.append("--full-refresh")
    variables: dict[str, Any] = {}
    if as_of:
        variables["as_of"] = as_of
    if refresh_models and not full_refresh:
        variables["refresh_models"] = list(refresh_models)
    if variables:
        args += ["--vars", json.dumps(variables)]
    # One value each: Dagster takes them out of the arguments and would leave further ones behind.
    if select:
        args += ["--select", " ".join(select)]
    if exclude:
        args += ["--exclude", " ".join(exclude)]
    return args


def unused_staging(manifest: Mapping[str, Any], data: DataDir) -> dict[str, str]:
    """Return the staging models of datasets that never landed, with their `provider.dataset`.

    Only those that nothing but unions of staging models reads: these leave them out.
    """
    landed = {
        f"{folder.parent.name}.{folder.name}"
        for folder in data.raw.glob("*/*")
        if next(folder.glob("*/*.parquet"), None)
    }
    unused = {}
    for unique_id, node in manifest["nodes"].items():
        for parent in node.get("depends_on", {}).get("nodes", ()):
            if node["resource_type"] != "model" or parent not in manifest["sources"]:
                continue
            source = manifest["sources"][parent]
            dataset = f"{source['source_name']}.{source['name']}"
            readers = [
                manifest["nodes"][child]
                for child in manifest["child_map"][unique_id]
                if child.startswith("model.")
            ]
            if dataset not in landed and all(
                "staged_union(" in reader["raw_code"] for reader in readers
            ):
                unused[node["name"]] = dataset
    return unused


def ensure_manifest() -> Path:
    """Return the project's manifest, parsing the project when a file of it is newer.

    It is for a database of the candidate's name, and apart from what a `dbt` by hand writes.

    Raises:
        DbtError: the project does not parse.
    """
    project = project_dir()
    target = project / "target" / "candidate"
    manifest = target / "manifest.json"
    now = time.time()
    newest = max(
        path.stat().st_mtime
        for pattern in ("*.yml", "models/**/*", "macros/**/*", "seeds/**/*", "tests/**/*")
        for path in project.glob(pattern)
    )
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
            [*_dbt(), "parse", "--quiet", "--target-path", str(target), "--log-path", str(target)],
            cwd=project,
            env={**os.environ, "TAPEHOUSE_DATABASE": "candidate.duckdb"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DbtError(f"the dbt project does not parse:\n{done.stdout}{done.stderr}".strip())
        # As of before the parse: what was edited meanwhile is newer.
        os.utime(manifest, (now, now))
    return manifest


def read_manifest() -> Mapping[str, Any]:
    """Return the up-to-date manifest."""
    manifest: Mapping[str, Any] = json.loads(ensure_manifest().read_text(encoding="utf-8"))
    return manifest


def project_variables() -> dict[str, Any]:
    """Return the variables of the project file, as they are when no run sets them otherwise."""
    project = yaml.safe_load((project_dir() / "dbt_project.yml").read_text(encoding="utf-8"))
    variables: dict[str, Any] = project.get("vars", {})
    return variables


def run_build(
    args: Sequence[str],
    data: DataDir,
    database: Path,
    on_node: NodeDone = lambda *_: None,
    *,
    unused: Iterable[str] = (),
) -> DbtResult:
    """Run `dbt build` with `args` on `database`, leaving out the `unused` datasets.

    Raises:
        DbtError: a model, a test or the project failed.
    """
    target = data.build / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    command = [
        *_dbt(),
        "--log-format", "json", "--log-path", str(target), *args, "--target-path", str(target),
    ]  # fmt: skip
    results = target / "run_results.json"
    results.unlink(missing_ok=True)
    output: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        command,
        cwd=project_dir(),
        env={**os.environ, **environment(data, database, unused)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            _read_event(line, output, on_node)
    if not results.exists():
        raise DbtError("dbt stopped before it built anything:\n" + "\n".join(output[-30:]))
    result = read_results(results)
    if process.returncode:
        raise DbtError("; ".join(result.failures) or "\n".join(output[-30:]))
    return result


def read_results(path: Path) -> DbtResult:
    """Read the `run_results.json` of a build."""
    raw = json.loads(path.read_text(encoding="utf-8"))["results"]
    models: dict[str, float] = {}
    failures = []
    passed = failed = 0
    for node in raw:
        kind, _, name = node["unique_id"].split(".", 2)
        is_test = kind in ("test", "unit_test")
        if node["status"] in ("error", "fail"):
            failures.append(f"{kind} {name}: {' '.join(str(node['message']).split())}")
        if is_test:
            passed += node["status"] in ("pass", "warn")
            failed += node["status"] in ("error", "fail")
        else:
            models[name] = round(node["execution_time"], 3)
    return DbtResult(models, passed, failed, tuple(failures))


def _dbt() -> list[str]:
    return [executable("tapehouse-dbt"), "--no-use-colors"]


def _read_event(line: str, output: list[str], on_node: NodeDone) -> None:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        output.append(line.rstrip())
        return
    info, data = event.get("info", {}), event.get("data", {})
    if info.get("level") in ("error", "warn"):
        output.append(info.get("msg", ""))
    total = data.get("total", data.get("num_models"))  # models and seeds, or tests
    if "node_info" in data and "index" in data and total and "status" in data:
        on_node(int(data["index"]), int(total), data["node_info"].get("node_name", ""))
