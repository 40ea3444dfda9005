"""The `tapehouse` command: a thin front over `orchestration.line`, which Dagster calls too."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from prometheus_client import start_http_server
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
)
from rich.table import Table

from ingest import streams
from ingest.backfill import Ask, InterruptedRunError, OnProgress, Step, backfill
from ingest.clock import as_utc, utc_now
from ingest.lake import Lake
from ingest.locks import LockedError
from ingest.provider import TIMEFRAMES, Dataset, Provider, ProviderError, Request
from ingest.providers import inbox, make_providers, secret_values
from ingest.providers.simulator import Simulator
from ingest.pulls import PullsError, asks, asset_class_of, not_canonical, read_symbols
from ingest.rest import quota_left
from ingest.serve import TOKEN_NAME, serve
from ingest.settings import Settings, SettingsError
from ingest.streams.micro_batches import Limits, Metrics, NotLandedError
from orchestration import line, publication, summary
from orchestration.candidate import BuildError
from orchestration.chart import ChartError, write_chart
from orchestration.dbt import DbtError, environment, executable, project_dir
from orchestration.features import FeaturesError, export_features, unsettled
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

STOPPED = 128 + signal.SIGINT
"""Exit code of a run that Ctrl-C stopped, as shells have it."""

EXPECTED_ERRORS = (
    BuildError, ChartError, DbtError, FeaturesError, LockedError, NotLandedError, ProviderError,
    PublicationError, PullsError, QualityError, SettingsError,
)  # fmt: skip

COMPLAINTS_SHOWN = 5

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk, or somebody's share of it, is full."""


def main() -> None:
    """Run the command; an expected error is one message and exit code 1, without a traceback."""
    try:
        app()
    except EXPECTED_ERRORS as error:
        _end_with(str(error))
    except OSError as error:
        if error.errno not in FULL:
            raise
        _end_with(
            f"{Settings().data.root}: {error.strerror}: make room and run the same command again;"
            " what was landed or published before is whole"
        )


def _end_with(message: str) -> NoReturn:
    console.print(f"[bold red]Error:[/] {escape(message)}", highlight=False)
    sys.exit(1)


@ingest_app.command("incremental")
def ingest_incremental(
    provider: Annotated[
        str, typer.Option(help="Only what is first asked of this vendor. Default: of all.")
    ] = "",
    force: Annotated[bool, typer.Option(help="Ask again for what is already covered.")] = False,
) -> None:
    """Land what is missing of everything that pulls.yml declares, of all vendors at once."""
    settings = Settings()
    providers = make_providers(settings)
    if provider:
        _known(providers, provider)
    entries = line.pulls(settings, providers)
    wanted = list(asks(entries, provider=provider))
    waiting = sum(1 for entry in entries if not entry.is_on)
    if waiting:
        console.print(
            f"{waiting} of {len(entries)} entries of {settings.pulls} are off:"
            " `tapehouse status` says why",
            highlight=False,
            soft_wrap=True,
        )
    if not wanted:
        output.print("Nothing to pull")
        return
    _land(settings, wanted, providers, force=force)


@ingest_app.command("backfill")
def ingest_backfill(  # noqa: PLR0917 - options are named on the command line
    provider: Annotated[str, typer.Option(help="Vendor, e.g. coinbase, sample, simulator.")],
    dataset: Annotated[
        str, typer.Option(help="One dataset of the vendor. Default: its bars and its lists.")
    ] = "",
    symbols: Annotated[
        str,
        typer.Option(help="Canonical symbols, e.g. BRK.B,BTC/USD. Default: what is configured."),
    ] = "",
    symbols_file: Annotated[
        Path | None, typer.Option(help="A CSV file with a column `symbol`, for thousands.")
    ] = None,
    asset_class: Annotated[
        str, typer.Option(help="Where the vendor has the dataset of several, e.g. equity.")
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
    """Land what the lake does not have of a range of a dataset; resumes where it was stopped."""
    settings = Settings()
    vendor = _provider(settings, provider, faults=faults, revision=revision)
    options = _Wanted(
        settings,
        vendor,
        symbols=[*_split(symbols), *(read_symbols(symbols_file) if symbols_file else ())],
        asset_class=asset_class,
        timeframes=_split(timeframes),
        start=start,
        end=end,
        days=days,
    )
    wanted = [
        Ask(vendor, request)
        for each in _datasets(vendor, dataset)
        for request in options.requests(each, is_chosen=bool(dataset))
    ]
    if not wanted:
        output.print("Nothing to ask")
        return
    _land(settings, wanted, {vendor.name: vendor}, force=force)


@ingest_app.command("inbox")
def ingest_inbox() -> None:
    """Land the files dropped into <data>/inbox/."""
    settings = Settings()
    with console.status("Reading the inbox"):
        reports = [report for report in line.ingest_inbox(settings) if report.files]
    if not reports:
        output.print(f"Nothing to land. Drop files into a folder of {settings.data.inbox}:")
        output.print(", ".join(inbox.DATASETS))
        return
    table = Table("dataset", "file", "outcome", "rows", "dead letters", "")
    for report in reports:
        for outcome in report.files:
            table.add_row(
                report.dataset,
                escape(outcome.name),
                outcome.status,
                f"{outcome.rows:,}" if outcome.rows else "",
                f"{outcome.dead_letters:,}" if outcome.dead_letters else "",
                escape(outcome.message),
            )
    output.print(table)
    if any(report.rejected or report.dead_letters for report in reports):
        raise typer.Exit(1)


@ingest_app.command("stream")
def ingest_stream(  # noqa: PLR0917 - options are named on the command line
    provider: Annotated[str, typer.Option(help=f"One of {', '.join(streams.VENDORS)}.")],
    symbols: Annotated[str, typer.Option(help="Symbols, comma separated, e.g. BTC/USD,ETH/USD.")],
    feed: Annotated[str, typer.Option(help="Alpaca only: iex, sip or crypto.")] = "",
    channels: Annotated[str, typer.Option(help="Channels, comma separated, e.g. trades.")] = "",
    batch_seconds: Annotated[float, typer.Option(min=0.01, help="Land at least so often.")] = 5,
    batch_records: Annotated[int, typer.Option(min=1, help="Land at most so many.")] = 10_000,
    queue: Annotated[int, typer.Option(min=1, help="Messages that may wait to land.")] = 50_000,
    metrics_port: Annotated[int, typer.Option(help="Show metrics to Prometheus here.")] = 0,
) -> None:
    """Land what a vendor streams until it is stopped (Ctrl-C, SIGTERM)."""
    settings = Settings()
    chosen = streams.make_feed(
        provider,
        _split(symbols),
        feed=feed,
        channels=_split(channels),
        environment=settings.environment,
        providers=make_providers(settings),
    )
    secrets = (*secret_values(settings.environment), *chosen.secrets)
    lake = Lake(settings.data, secrets=secrets)
    metrics = Metrics(chosen.provider)
    if metrics_port:
        start_http_server(metrics_port, "127.0.0.1", metrics.registry)
    try:
        report = streams.run_stream(
            lake,
            chosen,
            lambda requests: backfill(make_providers(settings)[chosen.provider], requests, lake),
            metrics,
            limits=Limits(batch_seconds, batch_records, queue),
            say=lambda text: console.print(escape(text), highlight=False, soft_wrap=True),
        )
    finally:
        _show_metrics(metrics)
    missing = [f"not given: {', '.join(report.refused)}"] if report.refused else []
    missing += report.unfilled
    if report.lost:
        missing.append(f"lost: {report.lost:,} messages that could not be landed in time")
    for text in missing:
        console.print(f"[red]{escape(text)}[/]", highlight=False, soft_wrap=True)
    if not report.is_complete:
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
    """Show what is published and pulled, how vendors do, and how the last build went."""
    settings = Settings()
    data = settings.data
    providers = make_providers(settings)
    _show_hold(publication.hold(data))
    summary.show_status(output, data)
    try:
        summary.show_pulls(output, line.pulls(settings, providers))
    except PullsError as error:
        output.print(f"[red]{escape(str(error))}[/]", highlight=False, soft_wrap=True)
    summary.show_vendors(output, data, providers)
    summary.show_refusals(output, data)


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


@app.command("export-features")
def export_snapshots(
    only: Annotated[
        str, typer.Option("--date", help="This session date alone, e.g. 2024-01-31.")
    ] = "",
    since: Annotated[str, typer.Option(help="Session dates from this one on. Default: all.")] = "",
    force: Annotated[bool, typer.Option(help="Write anew the snapshots that there are.")] = False,
) -> None:
    """Export the published features, one immutable Parquet snapshot per settled session date."""
    if only and since:
        raise typer.BadParameter("give --date or --since, not both", param_hint="--since")
    settings = Settings()
    with console.status("Exporting features"):
        snapshots = export_features(
            settings.data,
            only=_day(only, "--date") if only else None,
            since=_day(since, "--since") if since else None,
            force=force,
        )
    summary.show_snapshots(output, settings.data.features, snapshots)
    if waits := unsettled(settings.data):
        output.print(waits, highlight=False, soft_wrap=True)
    if any(snapshot.outcome == "differs" for snapshot in snapshots):
        raise typer.Exit(1)


@app.command("serve")
def serve_messages(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    batch_seconds: Annotated[float, typer.Option(min=0.01, help="Land at least so often.")] = 5,
    batch_records: Annotated[int, typer.Option(min=1, help="Land at most so many.")] = 10_000,
    queue: Annotated[int, typer.Option(min=1, help="Messages that may wait to land.")] = 50_000,
) -> None:
    """Take in market data that other programs send, until it is stopped (Ctrl-C, SIGTERM)."""
    settings = Settings()
    token = settings.environment.secret(TOKEN_NAME)
    lake = Lake(settings.data, secrets=(*secret_values(settings.environment), token))
    metrics = serve(
        lake,
        token,
        host=host,
        port=port,
        limits=Limits(batch_seconds, batch_records, queue),
        on_started=lambda at: console.print(
            f"ws://{at}/v1/ingest", highlight=False, soft_wrap=True
        ),
    )
    _show_metrics(metrics)


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


def _known(providers: Mapping[str, Provider], name: str) -> Provider:
    if name not in providers:
        raise typer.BadParameter(
            f"there is no provider {name!r}; there are: {', '.join(sorted(providers))}."
            " Files are landed with `tapehouse ingest inbox`",
            param_hint="--provider",
        )
    return providers[name]


def _provider(settings: Settings, name: str, *, faults: bool, revision: int) -> Provider:
    provider = _known(make_providers(settings), name)
    if faults or revision:
        if name != Simulator.name:
            raise typer.BadParameter(
                "only the simulator has --faults and --revision", param_hint="--provider"
            )
        return Simulator(faults=faults, revision=revision)
    return provider


def _datasets(vendor: Provider, chosen: str) -> list[Dataset]:
    """Return the chosen dataset; else lists, which need no symbols, and bars."""
    if chosen and chosen not in vendor.datasets:
        raise typer.BadParameter(
            f"{vendor.name} has no dataset {chosen!r}; it has {', '.join(sorted(vendor.datasets))}",
            param_hint="--dataset",
        )
    if chosen:
        return [vendor.datasets[chosen]]
    lists = [
        dataset
        for dataset in vendor.datasets.values()
        if dataset.kind == "extract"
        and (not dataset.is_by_symbol or list(vendor.default_request(dataset.name)))
    ]
    bars = [vendor.datasets["bars"]] if "bars" in vendor.datasets else []
    if not lists and not bars:
        raise typer.BadParameter(
            f"name one of {', '.join(sorted(vendor.datasets))}", param_hint="--dataset"
        )
    return [*lists, *bars]


@dataclass(frozen=True)
class _Wanted:
    """What the options of a backfill ask for."""

    settings: Settings
    vendor: Provider
    symbols: Sequence[str]
    asset_class: str
    timeframes: Sequence[str]
    start: str
    end: str
    days: int

    def requests(self, dataset: Dataset, *, is_chosen: bool) -> list[Request]:
        """Return the requests for a dataset."""
        usual = list(self.vendor.default_request(dataset.name))
        is_list = not dataset.is_by_symbol or bool(usual)
        if dataset.kind == "extract" and is_list and not (is_chosen and self.symbols):
            return usual or [Request(dataset.name)]
        asset_class = self._asset_class(dataset)
        params = asset_class_of(asset_class, dataset)
        symbols = self._symbols(dataset, usual, asset_class)
        if dataset.kind == "extract":
            return [Request(dataset.name, symbol, params=params) for symbol in symbols]
        timeframes = self._timeframes(dataset, asset_class)
        since, until = self._range(usual)
        return [
            Request(dataset.name, symbol, timeframe, since, until, params)
            for symbol in symbols
            for timeframe in timeframes
        ]

    def _asset_class(self, dataset: Dataset) -> str | None:
        offered = dataset.asset_classes
        if self.asset_class and offered and self.asset_class not in offered:
            raise typer.BadParameter(
                f"{self.vendor.name} has {dataset.name} of {', '.join(offered)}",
                param_hint="--asset-class",
            )
        if not self.asset_class and len(offered) > 1:
            raise typer.BadParameter(
                f"{dataset.name} of {self.vendor.name} needs one of {', '.join(offered)}",
                param_hint="--asset-class",
            )
        return self.asset_class or (offered[0] if offered else None)

    def _symbols(
        self, dataset: Dataset, usual: Sequence[Request], asset_class: str | None
    ) -> Sequence[str | None]:
        if not dataset.is_by_symbol:
            return [None]
        chosen = list(self.symbols)
        complaints = [c for symbol in chosen if (c := not_canonical(symbol, asset_class))]
        if complaints:
            more = len(complaints) - COMPLAINTS_SHOWN
            shown = "; ".join(complaints[:COMPLAINTS_SHOWN])
            raise typer.BadParameter(
                f"{shown}; and {more:,} more" if more > 0 else shown, param_hint="--symbols"
            )
        if not chosen:
            entries = line.pulls(self.settings, make_providers(self.settings))
            chosen = [
                symbol
                for entry in entries
                if self.vendor.name in entry.pull.chain
                and (entry.pull.dataset, entry.asset_class) == (dataset.name, asset_class)
                for symbol in entry.symbols
            ] or [request.symbol for request in usual if request.symbol]
        if not chosen:
            raise typer.BadParameter(
                f"no symbols are configured for {self.vendor.name}: name some, e.g. --symbols"
                f" {'BTC/USD' if asset_class == 'crypto' else 'AAPL'}",
                param_hint="--symbols",
            )
        unique = dict.fromkeys(chosen)
        if asset_class is None:
            return list(unique)
        return [self.vendor.spell(symbol, asset_class) for symbol in unique]

    def _timeframes(self, dataset: Dataset, asset_class: str | None) -> Sequence[str | None]:
        offered = dataset.timeframes_of(asset_class)
        of_class = f" of {asset_class}" if asset_class in dataset.timeframes_by_class else ""
        for timeframe in self.timeframes:
            if timeframe not in offered:
                raise typer.BadParameter(
                    f"{self.vendor.name} has no {timeframe!r} {dataset.name}{of_class}; it has"
                    f" {', '.join(offered) or 'no timeframes'}."
                    + (" Coarser bars are derived." if timeframe in TIMEFRAMES else ""),
                    param_hint="--timeframes",
                )
        return self.timeframes or offered or [None]

    def _range(self, usual: Sequence[Request]) -> tuple[datetime, datetime]:
        until = _moment(self.end, "--end") if self.end else utc_now()
        if self.start and self.days:
            raise typer.BadParameter("give --start or --days, not both", param_hint="--days")
        if self.start:
            since = _moment(self.start, "--start")
        elif self.days:
            since = until - timedelta(days=self.days)
        else:
            known = [(r.start, r.end) for r in usual if r.start and r.end]
            if not known or self.end:
                raise typer.BadParameter(
                    "give --start or --days: how far back to go", param_hint="--start"
                )
            since, until = min(first for first, _ in known), max(last for _, last in known)
        if since >= until:
            raise typer.BadParameter(
                f"the range is empty: it starts at {since:%Y-%m-%d %H:%M}Z and ends at"
                f" {until:%Y-%m-%d %H:%M}Z",
                param_hint="--start",
            )
        return since, until


def _land(
    settings: Settings, wanted: Sequence[Ask], providers: Mapping[str, Provider], *, force: bool
) -> None:
    """Land what is wanted and say what came of it; leave with an error unless that is all."""
    try:
        with _stopped_alike(), _bars(providers) as advance:
            reports = line.ingest(settings, wanted, force=force, progress=advance)
    except InterruptedRunError as stopped:
        summary.show_landed(output, stopped.reports)
        console.print("Stopped; what had arrived is landed. Run the same command for the rest")
        raise typer.Exit(STOPPED) from None
    summary.show_landed(output, reports)
    if not all(report.is_complete for report in reports):
        raise typer.Exit(1)


def _moment(text: str, option: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(text)).astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a day (2024-01-31) nor a time (2024-01-31T15:30Z)",
            param_hint=option,
        ) from None


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a day, e.g. 2024-01-31", param_hint=option
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


@contextmanager
def _stopped_alike() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, also where a shell's background has it ignored."""
    interrupting = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminating = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminating)
        signal.signal(signal.SIGINT, interrupting)


@contextmanager
def _bars(providers: Mapping[str, Provider]) -> Iterator[OnProgress]:
    """Show a bar per provider from its first answer on, with its rate and what it may still ask."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}
    began = time.monotonic()

    def advance(step: Step) -> None:
        if step.provider not in tasks:
            progress.start()
            tasks[step.provider] = progress.add_task(step.provider, total=None, rate="")
        seconds = max(time.monotonic() - began, 1e-3)
        rate = f"{step.done / seconds:,.1f} requests/s {step.rows / seconds:,.0f} rows/s"
        left = quota_left(providers.get(step.provider))
        if left is not None:
            rate += f" {left:,} left"
        progress.update(tasks[step.provider], completed=step.done, total=step.total, rate=rate)

    try:
        yield advance
    finally:
        progress.stop()


def _show_metrics(metrics: Metrics) -> None:
    table = Table("counted", "")
    for name, value in sorted(metrics.summary().items()):
        table.add_row(escape(name), f"{value:,.0f}" if value.is_integer() else f"{value:,.3f}")
    output.print(table)


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
