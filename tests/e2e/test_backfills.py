"""The real command against a real local server: killed, stopped by Ctrl-C, and told secrets."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq
import pytest
import websockets.exceptions
import websockets.sync.client

from ingest.clock import utc_now
from ingest.lake import Interval, Lake
from ingest.settings import Settings
from orchestration.table_hashes import stored_tables
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect
from tests.e2e.test_crashes import finished, records, whole_batches
from tests.fake_vendors import alpaca_stream
from tests.fake_vendors.alpaca_stream import FakeAlpacaStream
from tests.fake_vendors.oanda import FakeOanda
from tests.fake_vendors.reddit import FakeReddit
from tests.fake_vendors.server import Fault, Reply
from tests.ingest.truths import KEY, SECRET, TRUTHS
from tests.orchestration.warehouses import executable, tapehouse

Process: TypeAlias = "subprocess.Popen[str]"

YEARS = 2
SYMBOLS = {"EUR_USD": "EUR/USD", "GBP_USD": "GBP/USD"}
SPELLED = {"5m": "M5", "1h": "H1"}
DAY = timedelta(days=1)
END = date(2026, 1, 1)
STOPS_WITHIN_SECONDS = 3

SMALL_BATCHES = """
import ingest.backfill
from orchestration.cli import main

ingest.backfill.ANSWERS_PER_BATCH = 3
main()
"""
"""The command, landing every few answers, so that a short backfill has many moments to die at."""


@dataclass(kw_only=True)
class Oanda(FakeOanda):
    """One that answers so many questions at once, and the others after a long time."""

    prompt_answers: int | None = None

    def receive(self, method: str, target: str, headers: Mapping[str, str], body: str) -> Reply:
        reply = super().receive(method, target, headers, body)
        if self.prompt_answers is None or len(self.asked) <= self.prompt_answers:
            return reply
        return Fault(**vars(reply), delay_seconds=60)


def oanda(years: int) -> Oanda:
    """Return a vendor with some candles of each weekday."""
    instruments = [
        {"name": symbol, "type": "CURRENCY", "displayName": name}
        for symbol, name in SYMBOLS.items()
    ]
    accounts = {"101-1": instruments}
    vendor = Oanda(now=utc_now() + DAY, token=SECRET, accounts=accounts)
    days = (END - number * DAY for number in range(1, 365 * years))
    hours = [
        datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        for day in days
        if day.isoweekday() < 5
        for hour in (9, 15)
    ]
    for symbol in SYMBOLS:
        for granularity in SPELLED.values():
            vendor.fill(symbol, granularity, hours)
    return vendor


def command(years: int) -> tuple[str, ...]:
    return (
        *("ingest", "backfill", "--provider", "oanda"),
        *("--symbols", ",".join(SYMBOLS.values()), "--timeframes", ",".join(SPELLED)),
        *("--start", str(END - 365 * years * DAY), "--end", str(END)),
    )


def started(data: Path, vendor: FakeOanda, *program: str, years: int) -> Process:
    """Start the backfill in a process of its own."""
    return subprocess.Popen(
        [*program, *command(years)],
        env={
            **os.environ,
            "TAPEHOUSE_DATA_DIR": str(data),
            "TAPEHOUSE_OANDA_URL": vendor.url,
            "OANDA_API_TOKEN": vendor.token,
            "NO_PROXY": "127.0.0.1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_questions(vendor: FakeOanda, process: Process, count: int) -> bool:
    """Return whether a process asked so many questions before it ended."""
    while len(vendor.asked) < count:
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    return True


def ended(process: Process) -> str:
    """Return what a process that must end well has said."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out + err


# -- killed ----------------------------------------------------------------------------------------


def killed_again_and_again(data: Path, vendor: FakeOanda, years: int, kills: int) -> int:
    """Backfill, killed at so many random moments while it asks and lands; return how many were."""
    chance = random.Random(kills)  # noqa: S311 - not for secrets
    questions = len(SYMBOLS) * len(range(0, 365 * years, 14))  # of five minutes alone
    at_most = 2 * questions // (kills + 1)
    left = kills
    while left:
        vendor.forget()
        process = started(data, vendor, sys.executable, "-c", SMALL_BATCHES, years=years)
        if not wait_for_questions(vendor, process, chance.randint(1, at_most)):
            break
        time.sleep(chance.random() / 20)  # anywhere in asking and landing
        process.kill()
        process.communicate()
        left -= process.returncode == -signal.SIGKILL
    ended(started(data, vendor, sys.executable, "-c", SMALL_BATCHES, years=years))
    return kills - left


def undisturbed(data: Path, vendor: FakeOanda, years: int) -> None:
    ended(started(data, vendor, sys.executable, "-c", SMALL_BATCHES, years=years))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a backfill that nobody disturbed."""
    data = tmp_path_factory.mktemp("whole")
    with oanda(YEARS).running() as vendor:
        undisturbed(data, vendor, YEARS)
        candles = sum(map(len, vendor.candles.values()))
        assert sum(records(data).values()) == candles + len(SYMBOLS)
    return data


def test_a_backfill_killed_at_random_moments_ends_as_if_it_never_was(
    whole: Path, tmp_path: Path
) -> None:
    with oanda(YEARS).running() as vendor:
        assert killed_again_and_again(tmp_path, vendor, YEARS, kills=5) == 5
    assert whole_batches(tmp_path) > 5
    assert records(tmp_path) == records(whole)
    assert coverage(tmp_path) == coverage(whole)


def coverage(data: Path) -> list[list[Interval]]:
    ledger = Lake(Settings(data_dir=data).data).ledger("oanda", "bars")
    found = [ledger.coverage(symbol, name) for symbol in SYMBOLS for name in SPELLED]
    assert all(len(intervals) == 1 for intervals in found)
    return found


@pytest.mark.weekly
def test_a_backfill_killed_fifty_times_ends_in_the_tables_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    years, kills = 10, 50
    killed, *others = (tmp_path / name for name in ("killed", "whole", "whole again"))
    with oanda(years).running() as vendor:
        assert killed_again_and_again(killed, vendor, years, kills) == kills
        for data in others:
            undisturbed(data, vendor, years)
    assert records(killed) == records(others[0])
    assert coverage(killed) == coverage(others[0])
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.folder.mkdir()
    files = []
    for data in (*others, killed):
        finished(data, "ingest", "backfill", "--provider", "exchange_calendars")
        warehouse.see(data)
        warehouse.build(*WITHOUT_TESTS)
        files.append(warehouse.database.rename(tmp_path / f"{data.name}.duckdb"))
    compared = same_tables(*files)
    assert compared["silver.bars"] > compared["silver.quote_bars"] > 10_000
    assert compared["silver.bar_versions"] > 10_000


OF_BATCHES = ("_batch_id", "_row")
"""In which file a record came, and where in it: where a run was killed, others begin."""


def same_tables(one: Path, again: Path, other: Path) -> dict[str, int]:
    """Check that the tables of two files are the same; return how many rows each has.

    What differs between the tables of the first file and those of one that was made in the same way
    at another time is left out: fetch times, and what follows from them.
    """
    compared = {}
    with ExitStack() as open_files:
        connections = [
            open_files.enter_context(closing(connect(path))) for path in (one, again, other)
        ]
        for schema, table in stored_tables(connections[0]):
            if schema not in ("silver", "gold"):
                continue
            name = f'"{schema}"."{table}"'
            columns = [row[0] for row in connections[0].execute(f"describe {name}").fetchall()]
            alike = [
                column
                for column in columns
                if column not in OF_BATCHES
                and contents(connections[0], name, [column])
                == contents(connections[1], name, [column])
            ]
            first, _, last = (contents(each, name, alike) for each in connections)
            assert first == last, f"{name}: {', '.join(alike)}"
            compared[f"{schema}.{table}"] = first[0]
    return compared


def contents(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]
) -> tuple[int, int]:
    """Return the number of rows, and a sum that tells what is in some columns of them."""
    values = ", ".join(f'cast("{column}" as varchar)' for column in columns) or "1"
    ((rows, total),) = connection.execute(
        f"select count(*), coalesce(sum(cast(hash({values}) as hugeint)), 0) from {table}"
    ).fetchall()
    return rows, total


# -- stopped ---------------------------------------------------------------------------------------


def test_ctrl_c_lands_what_has_arrived_and_the_next_run_finishes(
    whole: Path, tmp_path: Path
) -> None:
    with oanda(YEARS).running() as vendor:
        vendor.prompt_answers = 40
        process = started(tmp_path, vendor, executable("tapehouse"), years=YEARS)
        assert wait_for_questions(vendor, process, 42), process.communicate()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < STOPS_WITHIN_SECONDS
        assert process.returncode == 130
        assert "Stopped; what had arrived is landed" in err
        assert "Traceback" not in out + err
        batches = Lake(Settings(data_dir=tmp_path).data).batches()
        assert whole_batches(tmp_path) == len(batches)
        # Of two questions at once one may be slow before the count is reached.
        assert 38 <= sum(len(batch.entries) for batch in batches) <= 40

        vendor.prompt_answers = None
        ended(started(tmp_path, vendor, executable("tapehouse"), years=YEARS))
    assert records(tmp_path) == records(whole)


# -- told secrets ----------------------------------------------------------------------------------

KEYED = ("alpha_vantage", "fmp", "alpaca", "oanda", "sec_edgar", "reddit")
PASSWORD = "planted pass&word"  # noqa: S105 - made up
PULLS = """
pulls:
  - {provider: alpha_vantage, dataset: splits, symbols: [IBM]}
  - {provider: alpha_vantage, dataset: income_statements, symbols: [IBM]}
  - {provider: fmp, dataset: splits, symbols: [AAPL]}
  - {provider: fmp, dataset: company_profiles, symbols: [AAPL]}
  - {provider: alpaca_sip, dataset: bars, symbols: [AAPL], timeframes: [1d], since: 2026-01-05}
  - {provider: alpaca_iex, dataset: bars, symbols: [AAPL], timeframes: [1d], since: 2026-01-05}
  - {provider: alpaca, dataset: news, asset_class: equity, symbols: [AAPL], since: 2026-03-01}
  - {provider: oanda, dataset: bars, symbols: [EUR/USD], timeframes: [1d], since: 2026-01-07}
  - {provider: oanda, dataset: instruments}
  - {provider: sec_edgar, dataset: companies}
  - {provider: sec_edgar, dataset: company_facts, symbols: [AAPL]}
  - {provider: reddit, dataset: posts, symbols: [stocks]}
"""


def spoilt(said: str) -> list[Fault]:
    """Return answers to every mood, in which a vendor repeats what it was told."""
    return [
        Fault(200, f"<html>{said}</html>", "text/html"),
        Fault(200, json.dumps({"unexpected": said})),
        Fault(400, json.dumps({"message": said, "errorMessage": said})),
        Fault(401, json.dumps({"message": said, "Error Message": said})),
        Fault(429, said, "text/plain", {"Retry-After": "7200"}),
        Fault(302, said, headers={"Location": f"https://example.org/?{said}"}),
    ]


SLOW = pytest.mark.slow


@pytest.mark.parametrize("turn", [None, 0, 3, *(pytest.param(n, marks=SLOW) for n in (1, 2, 4, 5))])
def test_no_secret_is_written_or_shown(turn: int | None, tmp_path: Path) -> None:
    """Let each vendor repeat its secrets, in good answers or, in turns, in all kinds of bad."""
    pulls = tmp_path / "pulls.yml"
    pulls.write_text(PULLS, encoding="utf-8")
    environment = {"TAPEHOUSE_PULLS": str(pulls)}
    secrets: set[str] = set()
    with ExitStack() as running:
        for number, truth in enumerate(TRUTHS[name]() for name in KEYED):
            vendor = running.enter_context(truth.vendor.running())
            truth.set_time(utc_now())
            plans = "TAPEHOUSE_"  # what a plan allows is no secret
            own = [value for name, value in truth.variables.items() if not name.startswith(plans)]
            environment |= truth.environment
            if isinstance(vendor, FakeReddit):
                vendor.users["someone"] = PASSWORD
                environment |= {"REDDIT_USERNAME": "someone", "REDDIT_PASSWORD": PASSWORD}
                own += [PASSWORD, b64encode(f"{KEY}:{SECRET}".encode()).decode()]
            said = [*own, *(quote(secret, safe="") for secret in own)]
            secrets.update(said)
            if turn is None:
                vendor.fail("", Fault(change=partial(with_secrets, own[-1])), times=20)
            else:
                faults = spoilt(" no ".join(said))
                vendor.fail("", faults[(turn + number) % len(faults)], times=20)
        data = tmp_path / "data"
        done = tapehouse(data, "ingest", "incremental", **environment)
    assert (turn is None) or done.returncode == 1
    assert masked(data, done.stdout + done.stderr, secrets) >= (
        {"raw"} if turn is None else {"", "dead_letter"}
    )
    assert {f"{name}.json" for name in KEYED} <= {path.name for path in data.glob("vendors/*")}


def masked(data: Path, output: str, secrets: Iterable[str]) -> set[str]:
    """Check that no secret was shown or written; return the parts of the lake with masked ones.

    The output is the part without a name.
    """
    texts = {"output": output}
    for path in (path for path in data.rglob("*") if path.is_file()):
        texts[str(path)] = path.read_bytes().decode(errors="replace")
        if path.suffix == ".parquet":
            texts[f"rows of {path}"] = str(pq.read_table(path).to_pylist())
    found = {
        (where, secret) for where, text in texts.items() for secret in secrets if secret in text
    }
    assert not found
    return {
        where.partition("/lake/")[2].split("/")[0] for where, text in texts.items() if "***" in text
    }


def test_no_secret_is_written_or_shown_by_a_stream(tmp_path: Path) -> None:
    """Let the vendor repeat the keys in a value, a symbol, what it says by the way and at last."""
    keys = {"APCA_API_KEY_ID": alpaca_stream.KEY, "APCA_API_SECRET_KEY": alpaca_stream.SECRET}
    said = " no ".join(keys.values())
    bar = alpaca_stream.bar(0, "1")
    script = [
        alpaca_stream.frame(bar, bar.replace("1500", json.dumps(said)), json.dumps(said)),
        alpaca_stream.frame(alpaca_stream.bar(1, "1", symbol=alpaca_stream.SECRET)),
        alpaca_stream.error(403, said),
        alpaca_stream.error(409, said),
    ]

    async def streamed() -> tuple[int | None, str]:
        async with FakeAlpacaStream([script]) as vendor:
            process = await asyncio.create_subprocess_exec(
                *(executable("tapehouse"), "ingest", "stream", "--provider", "alpaca"),
                *("--symbols", "AAPL"),
                env={
                    **os.environ,
                    **keys,
                    "TAPEHOUSE_DATA_DIR": str(tmp_path),
                    "TAPEHOUSE_ALPACA_STREAM_URL": vendor.url,
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            async with asyncio.timeout(60):
                shown, _ = await process.communicate()
            return process.returncode, shown.decode()

    code, shown = asyncio.run(streamed())
    assert code == 1, shown
    assert "insufficient subscription *** no ***" in shown
    assert masked(tmp_path, shown, keys.values()) == {"", "raw", "dead_letter"}


def test_no_secret_is_written_or_shown_by_the_service(tmp_path: Path) -> None:
    """Let a program that sends put the token where it does not belong."""
    token = "planted-token-of-the-tests"  # noqa: S105 - made up
    trade = {"kind": "trade", "source": token, "asset_class": "equity", "symbol": "AAPL"} | {
        "trade_id": "1", "traded_at": "2026-11-20T15:00:00Z", "price": 1, "size": 1,
    }  # fmt: skip
    messages = [trade, {**trade, token: token}, {**trade, "kind": token}, token]
    with subprocess.Popen(
        [executable("tapehouse"), "serve", "--port", "0", "--batch-seconds", "0.01"],
        env={**os.environ, "TAPEHOUSE_DATA_DIR": str(tmp_path), "TAPEHOUSE_SERVE_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        url = process.stderr.readline().strip()
        shown = []
        with websockets.sync.client.connect(
            url, additional_headers={"Authorization": f"Bearer {token}"}
        ) as socket:
            for message in messages:
                socket.send(json.dumps(message))
            while (answer := json.loads(socket.recv(10))) != {"ack": 4, "landed": True}:
                assert answer.get("ack") != 4
            socket.send(b"x" * 2_000_000)
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            websockets.sync.client.connect(f"{url}?token={token}")
        shown.append(str(refused.value.response))
        process.send_signal(signal.SIGTERM)
        shown += process.communicate(timeout=60)
        assert process.returncode == 0, shown
    assert masked(tmp_path, "\n".join(shown), [token]) == {"raw", "dead_letter"}


def with_secrets(secret: str, text: str) -> str:
    """Return a good answer in whose values there is a secret."""
    return re.sub(r"Apple|Article|IBM Corp|EUR/USD|Title|4\.0", secret, text)
