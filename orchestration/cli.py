"""The `tapehouse` command: a thin front over `orchestration.line`, which Dagster calls too."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from ingest.backfill import LandingReport
from ingest.clock import as_utc, utc_now
from ingest.locks import LockedError
from ingest.provider import TIMEFRAMES, Provider, ProviderError, Request
from ingest.providers import inbox, make_providers
from ingest.providers.simulator import Simulator
from ingest.settings import Settings
from orchestration import line, publication, summary
from orchestration.candidate import BuildError
from orchestration.chart import ChartError, write_chart
from orchestration.dbt import DbtError, environment, executable, project_dir
from orchestration.publication import PublicationError
from orchestration.quality import QualityError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A SQL warehouse for market data whose numbers can be trusted.",
)
ingest_app = typer.Typer(no_args_is_help=True, help="Land vendor records in the lake.")
app.add_typer(ingest_app, name="ingest")

console = Console(stderr=True)
output = Console()

EXPECTED_ERRORS = (
    BuildError, ChartError, DbtError, LockedError, ProviderError, PublicationError, QualityError,
)  # fmt: skip


def main() -> None:
    """Run the command; an expected error is one message and exit code 1, without a traceback."""
    try:
        app()
    except EXPECTED_ERRORS as error:
        console.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)


@ingest_app.command("backfill")
def ingest_backfill(  # noqa: PLR0917 - options are named on the command line
    provider: Annotated[str, typer.Option(help="Vendor, e.g. coinbase, sample, simulator.")],
    symbols: Annotated[
        str, typer.Option(help="Vendor symbols, comma separated. Default: what is configured.")
    ] = "",
    timeframes: Annotated[
        str, typer.Option(help="Timeframes, comma separated. Default: all the vendor has.")
    ] = "",
    start: Annotated[str, typer.Option(help="First day or time, UTC.")] = "",
    end: Annotated[str, typer.Option(help="End, exclusive, UTC. Default: now.")] = "",
    days: Annotated[int, typer.Option(help="Instead of --start: this many days back.")] = 0,
    force: Annotated[bool, typer.Option(help="Ask again for what is already covered.")] = False,
    faults: Annotated[bool, typer.Option(help="Simulator only: send faults, too.")] = False,
    revision: Annotated[int, typer.Option(help="Simulator only: send late corrections.")] = 0,
) -> None:
    """Land what the lake does not have of a range of bars, and the vendor's lists."""
    settings = Settings()
    vendor = _provider(settings, provider, faults=faults, revision=revision)
    bars = _requests(vendor, symbols, timeframes, start=start, end=end, days=days)
    reports = []
    for name, dataset in sorted(vendor.datasets.items(), key=lambda item: item[1].kind):
        requests = list(vendor.default_request(name)) if dataset.kind == "extract" else bars
        if dataset.kind == "extract" and not requests:
            requests = [Request(name)]
        with _progress(f"{vendor.name} {name}") as advance:
            reports.append(
                line.ingest_requests(settings, vendor, requests, force=force, progress=advance)
            )
    _show_landed(reports)
    if not all(report.is_complete for report in reports):
        raise typer.Exit(1)


@ingest_app.command("inbox")
def ingest_inbox() -> None:
    """Land the files dropped into <data>/inbox/."""
    settings = Settings()
    with console.status("Reading the inbox"):
        report = line.ingest_inbox(settings)
    if not report.files:
        folders = ", ".join(str(settings.data.inbox / name) for name in inbox.DATASETS)
        output.print(f"Nothing to land. Drop files into {folders}")
        return
    table = Table("file", "outcome", "rows", "")
    for outcome in report.files:
        rows = f"{outcome.rows:,}" if outcome.rows else ""
        table.add_row(escape(outcome.name), outcome.status, rows, escape(outcome.message))
    output.print(table)
    if report.rejected:
        raise typer.Exit(1)


@app.command()
def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild everything from the lake.")
    ] = False,
    as_of: Annotated[
        str, typer.Option(help="Rebuild as it was known at this UTC time, into a file of its own.")
    ] = "",
) -> None:
    """Build a candidate from the lake and run every check on it. Publishes nothing."""
    settings = Settings()
    moment = _moment(as_of, "--as-of") if as_of else None
    with _progress("dbt") as on_node, _progress("checks") as on_check:
        outcome = line.build(
            settings, full_refresh=full_refresh, as_of=moment, on_node=on_node, on_check=on_check
        )
    summary.show_build(output, settings.data, outcome.record)
    if outcome.record.status == "failed":
        raise typer.Exit(1)


@app.command()
def publish(
    resume: Annotated[bool, typer.Option("--resume", help="Lift the hold of a rollback.")] = False,
) -> None:
    """Make the candidate that passed its checks the version readers get."""
    settings = Settings()
    version = line.publish(settings, resume=resume)
    if version:
        output.print(f"Published [bold]{version.version}[/] as {settings.data.market}")
    else:
        current = publication.current_version(settings.data)
        output.print(f"Nothing to publish: {current} stays current")


@app.command()
def versions() -> None:
    """List the versions that are kept, newest first."""
    data = Settings().data
    table = Table("version", "published", "size", "")
    for version in publication.versions(data):
        table.add_row(
            version.version,
            version.published_at[:19] + "Z",
            f"{version.size_bytes / 1e6:,.1f} MB",
            "[green]current[/]" if version.is_current else "",
        )
    output.print(table)
    _show_hold(publication.hold(data))


@app.command()
def rollback(
    version: Annotated[str, typer.Argument(help="A version from `tapehouse versions`.")],
) -> None:
    """Make an earlier version current again; nothing is published until `publish --resume`."""
    settings = Settings()
    line.rollback(settings, version)
    output.print(f"[bold]{version}[/] is current")
    _show_hold(publication.hold(settings.data))


@app.command()
def status() -> None:
    """Show what is published, what is in the lake, and how the last build went."""
    data = Settings().data
    _show_hold(publication.hold(data))
    summary.show_status(output, data)


@app.command()
def demo() -> None:
    """Run the main job on the sample and the simulated market, and show what came out."""
    from orchestration.demo import run_demo  # noqa: PLC0415 - loads Dagster: only when asked

    if not run_demo(Settings(), console, output):
        raise typer.Exit(1)


@app.command()
def dev() -> None:
    """Open the Dagster UI on this warehouse, with its history."""
    from orchestration.demo import dagster_home  # noqa: PLC0415 - loads Dagster: only when asked

    settings = Settings()
    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    os.environ["TAPEHOUSE_DATA_DIR"] = str(settings.data.root)
    _replace_process([_tool("dagster"), "dev", "-m", "orchestration.definitions"])


@app.command()
def shell() -> None:
    """Open a read-only DuckDB shell on the published warehouse."""
    path = _published(Settings())
    command = [_tool("duckdb"), "-readonly"]
    for text in summary.shell_banner(path):
        command += ["-cmd", text]
    _replace_process([*command, str(path)])


@app.command()
def chart(
    symbol: Annotated[str, typer.Argument(help="Symbol or instrument, e.g. AAPL, equity:AAPL.")],
    timeframe: Annotated[str, typer.Option(help=f"One of {', '.join(TIMEFRAMES)}.")] = "1d",
    bars: Annotated[int, typer.Option(min=1, help="How many bars, the newest.")] = 500,
    target: Annotated[
        Path | None,
        typer.Option("--output", help="The page. Default: SYMBOL-TIMEFRAME.html in this folder."),
    ] = None,
) -> None:
    """Write a page with candles, indicators and regimes of a published series, to open offline."""
    path = write_chart(_published(Settings()), symbol, timeframe, count=bars, target=target)
    output.print(escape(str(path)), highlight=False, soft_wrap=True)


@app.command()
def docs(
    serve: Annotated[bool, typer.Option(help="Serve it, besides generating it.")] = True,
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 8080,
) -> None:
    """Generate the documentation of every table and column, and serve it."""
    data = Settings().data
    target = str(data.build / "docs")
    database = publication.current_path(data)
    scratch = data.build / "docs.duckdb"
    data.build.mkdir(parents=True, exist_ok=True)
    if database:
        shutil.copyfile(database, scratch)
    else:
        scratch.unlink(missing_ok=True)
    common = ["--target-path", target, "--log-path", target]
    env = {**os.environ, **environment(data, scratch)}
    generated = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [executable(), "docs", "generate", *common], cwd=project_dir(), env=env, check=False
    )
    if generated.returncode:
        raise DbtError("dbt could not generate the documentation; its own message is above")
    if serve:
        os.chdir(project_dir())
        os.environ.update(env)
        _replace_process(
            [executable(), "docs", "serve", "--port", str(port), "--no-browser", *common]
        )


def _published(settings: Settings) -> Path:
    path = publication.current_path(settings.data)
    if path is None:
        raise PublicationError("nothing is published yet; run `make demo` or `tapehouse build`")
    return path


def _provider(settings: Settings, name: str, *, faults: bool, revision: int) -> Provider:
    providers = make_providers(settings)
    if name not in providers:
        raise typer.BadParameter(
            f"there is no provider {name!r}; there are: {', '.join(sorted(providers))}."
            " Files are landed with `tapehouse ingest inbox`",
            param_hint="--provider",
        )
    if faults or revision:
        if name != Simulator.name:
            raise typer.BadParameter(
                "only the simulator has --faults and --revision", param_hint="--provider"
            )
        return Simulator(faults=faults, revision=revision)
    return providers[name]


def _requests(
    vendor: Provider, symbols: str, timeframes: str, *, start: str, end: str, days: int
) -> list[Request]:
    """Return the requests for bars that the options name."""
    if "bars" not in vendor.datasets:
        return []
    wanted = _split(timeframes) or list(vendor.datasets["bars"].timeframes)
    for timeframe in wanted:
        if timeframe not in vendor.datasets["bars"].timeframes:
            raise typer.BadParameter(
                f"{vendor.name} has no {timeframe!r} bars; it has"
                f" {', '.join(vendor.datasets['bars'].timeframes)}."
                + (" Coarser bars are derived." if timeframe in TIMEFRAMES else ""),
                param_hint="--timeframes",
            )
    configured = list(vendor.default_request("bars"))
    chosen = _split(symbols) or list(dict.fromkeys(r.symbol for r in configured if r.symbol))
    if not chosen:
        raise typer.BadParameter(
            f"no symbols are configured for {vendor.name}: name some, e.g. --symbols BTC-USD",
            param_hint="--symbols",
        )
    until = _moment(end, "--end") if end else utc_now()
    if start and days:
        raise typer.BadParameter("give --start or --days, not both", param_hint="--days")
    if start:
        since = _moment(start, "--start")
    elif days:
        since = until - timedelta(days=days)
    else:
        known = [r for r in configured if r.start and r.end]
        if not known or end:
            raise typer.BadParameter(
                "give --start or --days: how far back to go", param_hint="--start"
            )
        since = min(r.start for r in known if r.start)
        until = max(r.end for r in known if r.end)
    if since >= until:
        raise typer.BadParameter(
            f"the range is empty: it starts at {since:%Y-%m-%d %H:%M}Z and ends at"
            f" {until:%Y-%m-%d %H:%M}Z",
            param_hint="--start",
        )
    return [
        Request("bars", symbol, timeframe, since, until)
        for symbol in chosen
        for timeframe in wanted
    ]


def _moment(text: str, option: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(text)).astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a day (2024-01-31) nor a time (2024-01-31T15:30Z)",
            param_hint=option,
        ) from None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar from the first step on, and tell it of each."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[what]}"),
        console=console,
        transient=True,
    )
    task = progress.add_task(title, total=None, what="")

    def advance(done: int, total: int, what: str) -> None:
        progress.start()
        progress.update(task, completed=done, total=total, what=what)

    try:
        yield advance
    finally:
        progress.stop()


def _show_landed(reports: Iterable[LandingReport]) -> None:
    table = Table("dataset", "requests", "rows", "unchanged", "dead letters", "failed")
    failures = []
    for report in reports:
        if not report.dataset:
            continue
        failures += report.failures
        table.add_row(
            f"{report.provider} {report.dataset}",
            f"{report.asked:,}",
            f"{report.rows:,}",
            f"{report.confirmed:,}",
            f"{report.dead_letters:,}",
            f"{len(report.failures) + len(report.partial):,}",
        )
    output.print(table)
    for failure in failures:
        request, error = escape(str(failure.request)), escape(failure.error)
        console.print(f"[red]{request}[/]: {error}", highlight=False)


def _show_hold(held: dict[str, str] | None) -> None:
    if held:
        output.print(
            f"[yellow]Publication is held[/] at {held['version']} since {held['since'][:19]}Z;"
            " lift it with `tapehouse publish --resume`"
        )


def _tool(name: str) -> str:
    """Return the path of a program of this environment, activated or not."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def _replace_process(command: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - our own tools, no shell


if __name__ == "__main__":
    main()
