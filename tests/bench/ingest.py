"""Time the loader against a local vendor: without limits and with; write `bench/ingest.json`.

The vendor is a process of its own that speaks Coinbase's candles over HTTP/1.1 and answers 50 ms
after it was asked, with bodies made beforehand; it shares the machine's cores with the loader.
Provider, limits, backfill and lake are the real ones. What the limits let through is counted where
requests arrive.
"""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import duckdb
from rich.console import Console
from rich.table import Table

from ingest.backfill import Ask, Step, land_all
from ingest.lake import Lake
from ingest.limits import RateLimit
from ingest.provider import Request
from ingest.providers.coinbase import WINDOW_BUCKETS, Coinbase
from ingest.settings import DataDir, Environment
from tests.bench.processes import apart, store

LATENCY_SECONDS = 0.05
WINDOW = WINDOW_BUCKETS * timedelta(minutes=1)
FIRST = datetime(2024, 1, 1, 3, tzinfo=UTC)  # where a window begins
SERIES_OF_ITS_OWN = 100
"""So many symbols have prices of their own, the others repeat them: a batch holds few doubles."""

ENOUGH_BARS_PER_SECOND = 20_000
MOST_MB = 500
SHARE_OF_LIMIT = 0.95

SAMPLES = 20

console = Console()


# -- the vendor ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Traffic:
    """When requests arrived, in monotonic seconds, and what answering them took."""

    arrived: Sequence[float]
    cpu_seconds: float


class Vendor(asyncio.Protocol):
    """One connection to a vendor that has `answers` by series and start of the window."""

    def __init__(self, answers: Mapping[tuple[int, str], bytes], arrived: list[float]) -> None:
        self._answers = answers
        self._arrived = arrived
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("expected a stream")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Note requests that are here whole, and answer them later."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._arrived.append(time.monotonic())
            answer = self._answer(head.split(b" ", 2)[1].decode())
            asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._transport.write, answer)

    def _answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        _, _, product, _ = parts.path.split("/")
        series = int(product.removeprefix("S").removesuffix("-USD")) % SERIES_OF_ITS_OWN
        return self._answers[series, parse_qs(parts.query)["start"][0]]


def bodies(windows: int) -> dict[tuple[int, str], bytes]:
    """Return whole answers: walks of prices in cents, newest bucket first, as the vendor writes."""
    answers = {}
    for series in range(SERIES_OF_ITS_OWN):
        generator = random.Random(series)  # noqa: S311 - prices
        cents = generator.randint(10_000, 5_000_000)
        for window in range(windows):
            start = FIRST + window * WINDOW
            rows = []
            for bucket in range(WINDOW_BUCKETS):
                opened, cents = cents, cents + generator.randint(-50, 50)
                rows.append(
                    f"[{start.timestamp() + 60 * bucket:.0f},{(min(opened, cents) - 7) / 100},"
                    f"{(max(opened, cents) + 7) / 100},{opened / 100},{cents / 100},"
                    f"{generator.randint(1, 10**10) / 10**8}]"
                )
            body = f"[{','.join(reversed(rows))}]".encode()
            head = (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            answers[series, f"{start:%Y-%m-%dT%H:%M:%SZ}"] = head.encode() + body
    return answers


async def serve(windows: int, boss: Connection) -> None:
    """Answer on a free local port, which is told to `boss`, and when it calls, what arrived."""
    arrived: list[float] = []
    answers = bodies(windows)
    server = await asyncio.get_running_loop().create_server(
        lambda: Vendor(answers, arrived), "127.0.0.1", 0
    )
    boss.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    before = time.process_time()
    called = asyncio.Event()
    asyncio.get_running_loop().add_reader(boss.fileno(), called.set)
    await called.wait()
    boss.send(Traffic(arrived, time.process_time() - before))


def run_vendor(windows: int, boss: Connection) -> None:
    """Be the vendor's process."""
    asyncio.run(serve(windows, boss))


@dataclass
class RunningVendor:
    """A vendor at `url`; `traffic` is there when the loader has finished."""

    url: str
    _connection: Connection

    @classmethod
    @contextmanager
    def of(cls, windows: int) -> Iterator[Self]:
        """Start one that has so many windows of every symbol."""
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=run_vendor, args=(windows, there), daemon=True)
        process.start()
        there.close()
        try:
            yield cls(here.recv(), here)
        finally:
            process.terminate()
            process.join()
            here.close()

    def traffic(self) -> Traffic:
        """Return what arrived; it answers nothing more."""
        self._connection.send("what arrived?")
        traffic: Traffic = self._connection.recv()
        return traffic


# -- the loader ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """Memory in use when so many bars had arrived."""

    bars: int
    seconds: float
    resident_mb: float


@dataclass(frozen=True)
class Loaded:
    """What one run of the loader took, in a process of its own."""

    bars: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    samples: Sequence[Sample]

    @property
    def growth_mb_per_million(self) -> float:
        """Return the slope of memory over bars, once everything is in memory that is needed."""
        warm = self.samples[SAMPLES // 5 :]
        line = linear_regression([s.bars for s in warm], [s.resident_mb for s in warm])
        return 1e6 * line.slope


def load(
    url: str, folder: Path, symbols: int, windows: int, limits: Sequence[RateLimit] = ()
) -> Loaded:
    """Backfill every window of every symbol into an empty lake.

    Raises:
        RuntimeError: not everything was landed.
    """
    data = DataDir(folder / "data")
    provider = Coinbase(
        Environment({"TAPEHOUSE_COINBASE_URL": url}),
        policy=replace(Coinbase.policy, limits=tuple(limits)),
        state_dir=data.vendors,
    )
    end = FIRST + windows * WINDOW
    asks = [
        Ask(
            provider,
            Request("bars", f"S{number:05}-USD", "1m", FIRST, end, {"asset_class": "crypto"}),
        )
        for number in range(symbols)
    ]
    bars = symbols * windows * WINDOW_BUCKETS
    samples: list[Sample] = []

    def sample(step: Step) -> None:
        if step.rows >= len(samples) * bars / SAMPLES:
            seconds = round(time.monotonic() - started, 2)
            samples.append(Sample(step.rows, seconds, memory_mb("VmRSS")))

    started, cpu_before = time.monotonic(), time.process_time()
    (report,) = land_all(asks, Lake(data), progress=sample)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_before
    if not report.is_complete or report.rows != bars:
        raise RuntimeError(f"{report.rows:,} of {bars:,} bars landed; {report.failures[:3]}")
    return Loaded(bars, seconds, cpu_seconds, memory_mb("VmHWM"), samples)


def memory_mb(kind: str) -> float:
    """Return the memory of this process: `VmRSS` is what it holds, `VmHWM` the most it held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = dict(line.split(":", 1) for line in status.splitlines())[kind].split()[0]
    return round(int(kilobytes) * 1024 / 1e6, 1)


# -- what is measured ----------------------------------------------------------------------------


def unlimited(symbols: int, windows: int, keep_in: str) -> dict[str, Any]:
    """Return how fast bars are landed when only latency holds the loader up."""
    with RunningVendor.of(windows) as vendor, TemporaryDirectory(dir=keep_in or None) as name:
        folder = Path(name)
        loaded = apart(load, vendor.url, folder, symbols, windows)
        traffic = vendor.traffic()
        with closing(duckdb.connect()) as connection:
            ((there,),) = connection.execute(
                "select count(distinct (_symbol, time)) from read_parquet(?)",
                [f"{DataDir(folder / 'data').raw}/*/*/*/*.parquet"],
            ).fetchall()
    if there != loaded.bars:
        raise RuntimeError(f"the lake has {there:,} of {loaded.bars:,} bars")
    return {
        "symbols": symbols,
        "bars": loaded.bars,
        "requests": len(traffic.arrived),
        "seconds": round(loaded.seconds, 2),
        "bars_per_second": round(loaded.bars / loaded.seconds),
        "slowest_bars_per_second": round(slowest(loaded.samples)),
        "cpu_seconds": {
            "loader": round(loaded.cpu_seconds, 2),
            "vendor": round(traffic.cpu_seconds, 2),
        },
        "peak_mb": loaded.peak_mb,
        "growth_mb_per_million_bars": round(loaded.growth_mb_per_million, 2),
        "resident_mb_by_million_bars": {
            f"{sample.bars / 1e6:.2f}": sample.resident_mb for sample in loaded.samples
        },
    }


def slowest(samples: Sequence[Sample]) -> float:
    """Return the bars a second between the two samples where it was slowest."""
    return min(
        (after.bars - before.bars) / (after.seconds - before.seconds)
        for before, after in pairwise(samples)
        if after.bars > before.bars
    )


def limited(limits: Sequence[RateLimit], requests: int, keep_in: str) -> dict[str, Any]:
    """Return how near to `limits` the loader comes with so many requests."""
    with RunningVendor.of(1) as vendor, TemporaryDirectory(dir=keep_in or None) as name:
        loaded = apart(load, vendor.url, Path(name), requests, 1, limits)
        arrived = vendor.traffic().arrived
    if len(arrived) != requests:
        raise RuntimeError(f"{len(arrived):,} requests arrived, not {requests:,}")
    seconds = arrived[-1] - arrived[0]
    shortest = shortest_seconds(limits, requests)
    return {
        "requests": requests,
        "seconds": round(seconds, 2),
        "shortest_seconds": shortest,
        "share_of_limit": round(shortest / seconds, 4),
        "loader_cpu_seconds": round(loaded.cpu_seconds, 2),
        "windows": [
            {
                "limit": str(limit),
                "requests": limit.requests,
                "seconds": limit.per_seconds,
                "most_arrived": most_in_a_window(arrived, limit),
            }
            for limit in limits
        ],
    }


def shortest_seconds(limits: Sequence[RateLimit], requests: int) -> float:
    """Return the time between the first and the last of `requests` when none is ever late."""
    times = [0.0]
    for number in range(1, requests):
        freed = (
            times[number - limit.requests] + limit.per_seconds
            for limit in limits
            if number >= limit.requests
        )
        times.append(max([times[-1], *freed]))
    return times[-1]


def most_in_a_window(arrived: Sequence[float], limit: RateLimit) -> int:
    """Return how many requests at most arrived within the length of `limit`, wherever it begins."""
    most, first = 0, 0
    for last, moment in enumerate(arrived):
        while moment - arrived[first] >= limit.per_seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@dataclass(frozen=True)
class Promise:
    """What is required, and whether what was measured keeps it."""

    name: str
    required: str
    measured: str
    is_kept: bool


def promises(results: Mapping[str, Any]) -> Iterator[Promise]:
    """Yield what the measurements say about each requirement."""
    speed, peak = results["unlimited"]["bars_per_second"], results["unlimited"]["peak_mb"]
    yield Promise(
        "bars a second, no limits",
        f">= {ENOUGH_BARS_PER_SECOND:,}",
        f"{speed:,}",
        speed >= ENOUGH_BARS_PER_SECOND,
    )
    yield Promise("peak memory", f"< {MOST_MB} MB", f"{peak} MB", peak < MOST_MB)
    for each in results["limited"]:
        share, windows = each["share_of_limit"], each["windows"]
        together = ", ".join(f"{it['requests']} in {it['seconds']:g} s" for it in windows)
        yield Promise(
            f"rate, of {together}",
            f">= {SHARE_OF_LIMIT:.0%}",
            f"{share:.1%}",
            share >= SHARE_OF_LIMIT,
        )
        for window in windows:
            allowed, most = window["requests"], window["most_arrived"]
            yield Promise(
                f"  most in any {window['seconds']:g} s",
                f"<= {allowed}",
                str(most),
                most <= allowed,
            )


def show(results: Mapping[str, Any]) -> None:
    """Print each requirement with what was measured."""
    table = Table("", "required", "measured")
    for promise in promises(results):
        color = "green" if promise.is_kept else "red"
        table.add_row(promise.name, promise.required, f"[{color}]{promise.measured}[/]")
    console.print(table)
    free = results["unlimited"]
    cpu = free["cpu_seconds"]
    console.print(
        f"{free['bars']:,} bars of {free['symbols']:,} symbols in {free['seconds']:.0f} s"
        f" ({cpu['loader']:.0f} s of CPU, {cpu['vendor']:.0f} s the vendor's); at its slowest"
        f" {free['slowest_bars_per_second']:,} bars a second; memory grew by"
        f" {free['growth_mb_per_million_bars']} MB per million bars"
    )


def main(
    *,
    symbols: int = 500,
    windows: int = 34,
    limited_seconds: int = 60,
    limited_minutes: int = 2,
    keep_in: str = "",
) -> None:
    """Load WINDOWS of 300 minute bars of each of SYMBOLS; KEEP_IN names a folder for the lakes."""
    second, minute = RateLimit(50, per_seconds=1), RateLimit(2400, per_seconds=60)
    results = {
        "latency_ms": 1000 * LATENCY_SECONDS,
        "unlimited": unlimited(symbols, windows, keep_in),
        "limited": [
            limited([second], limited_seconds * second.requests + 1, keep_in),
            limited([second, minute], limited_minutes * minute.requests + 1, keep_in),
        ],
    }
    store("ingest", results)
    show(results)
