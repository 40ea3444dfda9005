"""The main job as Dagster runs it, once, with a summary a person can read."""

import shutil
import time
import uuid
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from ingest.settings import PROJECT_ROOT, Settings
from ingest.simulated_trading import default_trading, drop
from orchestration import line, publication, summary
from orchestration.automation import materialize_all
from orchestration.defs import build_defs
from orchestration.resources import DEMO_PROVIDERS, Warehouse
from orchestration.run_records import latest_record

OFFLINE = (*DEMO_PROVIDERS, "exchange_calendars", "inbox")
"""Providers that need no network."""

NEXT = (
    ("make shell", "ask the published warehouse anything, in SQL"),
    ("make dev", "see this run, every table and every check in the Dagster UI"),
    ("make docs", "read what every table and column means"),
)


def dagster_home(settings: Settings) -> Path:
    """Return the folder of Dagster's own storage for a warehouse, with our configuration in it."""
    home = settings.data.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml")
    return home


@dataclass
class _Steps:
    """Follows a run by its events: shows the step at work and keeps how long each took."""

    status: Status
    seconds: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _begun: dict[str, float] = field(default_factory=dict)
    _checks: int = 0

    def follow(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        step = event.step_key.replace("__", " ")
        if event.is_step_start:
            self._begun[step] = time.monotonic()
            self._checks = 0
            self.status.update(f"[bold]{step}")
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checks += 1
            self.status.update(f"[bold]{step}[/] {self._checks} checks")
        elif event.is_step_success or event.is_step_failure:
            self.seconds[step] = time.monotonic() - self._begun.pop(step)
            if event.is_step_failure and event.step_failure_data.error:
                error = event.step_failure_data.error
                self.errors.append((error.cause or error).message.strip())


def run_demo(settings: Settings, progress: Console, output: Console) -> bool:
    """Land the sample and the simulated market, build, check, publish; return whether it worked.

    Simulated trading goes through the inbox, and with it whatever the user has put there.
    """
    started = time.monotonic()
    data = settings.data
    before = publication.current_version(data)
    if settings.demo_data:
        with progress.status("[bold]Simulating trades"):
            drop(line.lake_of(settings), default_trading())
    with progress.status("[bold]Loading the project") as status:
        defs = build_defs({"warehouse": Warehouse(data_dir=str(data.root))})
        job = defs.resolve_job_def(materialize_all.name)
        offline = [
            key
            for key in job.asset_layer.executable_asset_keys
            if key.path[0] != "raw" or key.path[1] in OFFLINE
        ]
        steps = _Steps(status)
        run_id = str(uuid.uuid4())
        with dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
            instance.add_event_listener(run_id, steps.follow)
            # What dbt prints goes to a file: the events above already tell the story.
            with (data.dagster_home / "demo.log").open("w") as log, redirect_stdout(log):
                result = job.execute_in_process(
                    instance=instance,
                    run_id=run_id,
                    raise_on_error=False,
                    asset_selection=offline,
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )
    record = latest_record(data)
    if record:
        summary.show_build(output, data, record)
    for error in steps.errors:
        output.print(f"[red]{escape(error)}[/]", highlight=False)
    current = publication.current_path(data)
    if not result.success or current is None:
        return False
    summary.show_datasets(output, current)
    _show_steps(output, steps.seconds, time.monotonic() - started)
    summary.show_performance(output, current)
    news = "Published" if current.stem != before else "Nothing has changed; still published:"
    output.print(f"{news} [bold]{current.stem}[/] as {data.market}", highlight=False)
    output.print("Next:")
    for command, purpose in NEXT:
        output.print(f"  [bold]{command:<12}[/] {purpose}")
    return True


def _show_steps(output: Console, seconds: dict[str, float], total: float) -> None:
    table = Table("step", title="Time", title_justify="left")
    table.add_column("seconds", justify="right")
    by_provider: defaultdict[str, float] = defaultdict(float)
    for step, spent in seconds.items():
        # Steps of the lake are `raw <provider> <dataset>`.
        by_provider[" ".join(step.split()[:2])] += spent
    for step, spent in by_provider.items():
        table.add_row(step, f"{spent:.1f}")
    table.add_row("[bold]all, start-up included", f"[bold]{total:.1f}")
    output.print(table)
