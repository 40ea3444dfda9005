"""The address other programs send market data to, over real WebSockets and HTTP."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from ingest.contracts import market_data
from ingest.contracts.market_data import BrokenContractError, read_message
from ingest.lake import Lake
from ingest.provider import AccessError
from ingest.records import to_table
from ingest.serve import MAX_FRAME_BYTES, Server, Service, is_loopback
from ingest.settings import DataDir
from ingest.streams import micro_batches
from ingest.streams.micro_batches import Limits, NotLandedError

TOKEN = "a-token-of-the-tests"  # noqa: S105 - of a test
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FAST = Limits(seconds=0.01)

TRADE = (
    '{"kind":"trade","source":"bot-1","asset_class":"crypto","symbol":"BTC/USD","trade_id":"t1",'
    '"traded_at":"2026-11-20T10:00:00.100Z","price":60000.10,"size":0.01000000,"side":"buy"}'
)
QUOTE = (
    '{"kind":"quote","source":"bot-1","asset_class":"equity","symbol":"BRK.B",'
    '"quoted_at":"2026-11-20T15:00:00+00:00","bid_price":450.10,"bid_size":100,'
    '"ask_price":450.20,"ask_size":200}'
)
BAR = (
    '{"kind":"bar","source":"bot-1","asset_class":"fx","symbol":"EUR/USD","timeframe":"1m",'
    '"bar_start_at":"2026-11-20T15:00:00Z","open":1.10,"high":1.20,"low":1.0,"close":1.150,'
    '"volume":1e3,"trade_count":7}'
)


def changed(text: str, **values: object) -> str:
    """Return a message with other values; None takes a field out."""
    message = {**json.loads(text), **values}
    return json.dumps({name: value for name, value in message.items() if value is not None})


def rows(lake: Lake, dataset: str, *columns: str) -> list[tuple[Any, ...]]:
    files = sorted(lake.data.raw.glob(f"serve/{dataset}/*/*.parquet"), key=lambda path: path.name)
    return [
        tuple(row[name] for name in columns)
        for file in files
        for row in pq.ParquetFile(file).read().to_pylist()
    ]


def letters(lake: Lake) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in lake.data.dead_letter.glob("*/*/*/*.json")]


@dataclass(frozen=True)
class Served:
    """A server under test."""

    address: str
    service: Service
    server: Server

    @property
    def lake(self) -> Lake:
        return self.service.lake

    @asynccontextmanager
    async def client(self, headers: Mapping[str, str] = BEARER) -> AsyncIterator[ClientConnection]:
        url = f"ws://{self.address}/v1/ingest"
        async with connect(url, additional_headers=headers) as socket:
            yield socket

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient() as http:
            return await http.get(f"http://{self.address}{path}", headers=headers)

    async def counted(self, **labels: str) -> None:
        """Wait until a message was counted so."""
        while not self.service.metrics.total("messages_total", **labels):  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@asynccontextmanager
async def served(
    lake: Lake, limits: Limits = FAST, *, is_local: bool = True
) -> AsyncIterator[Served]:
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    service = Service(lake, TOKEN, limits, is_local=is_local)
    server = Server(service, "127.0.0.1", 0, started.set_result)
    running = asyncio.create_task(server.finish())
    try:
        async with asyncio.timeout(10):
            yield Served(await started, service, server)
    finally:
        server.stop()
        await running


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def heard(socket: ClientConnection) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer


async def until_landed(socket: ClientConnection, number: int) -> list[dict[str, Any]]:
    """Return what is answered until message `number` is on disk."""
    answers = []
    while True:
        answers.append(await heard(socket))
        if answers[-1].get("landed") and answers[-1]["ack"] >= number:
            return answers


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(DataDir(tmp_path), secrets=(TOKEN,))


# -- taking in -------------------------------------------------------------------------------------


def test_good_messages_land_verbatim_and_are_acknowledged_twice(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            for text in (TRADE, QUOTE, BAR):
                await socket.send(text)
            answers = await until_landed(socket, 3)
            assert [a for a in answers if not a["landed"]] == [
                {"ack": 1, "landed": False},
                {"ack": 2, "landed": False},
                {"ack": 3, "landed": False},
            ]
            # What is said to be landed is on disk already.
            columns = ("source", "asset_class", "symbol", "trade_id", "traded_at", "price", "size")
            assert rows(lake, "trades", *columns, "conditions", "_symbol", "_extra") == [
                ("bot-1", "crypto", "BTC/USD", "t1", "2026-11-20T10:00:00.100Z", "60000.10",
                 "0.01000000", None, "crypto:BTC/USD", None)
            ]  # fmt: skip
            assert rows(lake, "quotes", "bid_price", "ask_size") == [("450.10", "200")]
            assert rows(lake, "bars", "close", "volume", "_symbol", "_timeframe") == [
                ("1.150", "1e3", "fx:EUR/USD", "1m")
            ]

    run(test())


def test_a_broken_contract_is_answered_and_dead_lettered_and_costs_nothing_else(
    lake: Lake,
) -> None:
    bad = changed(TRADE, price="60000.10", size=-1, note=f"my token is {TOKEN}")

    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            for text in (TRADE, bad, "not json", changed(TRADE, trade_id="t2")):
                await socket.send(text)
            answers = await until_landed(socket, 4)
            rejected = {a["rejected"]: a["errors"] for a in answers if "rejected" in a}
            assert [(e["at"], e["type"]) for e in rejected[2]] == [
                ("trade.price", "number_type"),
                ("trade.size", "greater_than_equal"),
                ("trade.note", "extra_forbidden"),
            ]
            assert [e["type"] for e in rejected[3]] == ["json"]
            metrics = (await server.get("/metrics")).text
        assert rows(lake, "trades", "trade_id") == [("t1",), ("t2",)]
        found = {letter["body"]: letter["error"] for letter in letters(lake)}
        assert found.keys() == {bad.replace(TOKEN, "***"), "not json"}
        assert "trade.price: Input should be a JSON number" in found[bad.replace(TOKEN, "***")]
        rejected_line = (
            'tapehouse_messages_total{kind="trade",outcome="rejected",provider="serve"} 1.0'
        )
        assert rejected_line in metrics
        assert 'tapehouse_dead_letters_total{provider="serve"} 2.0' in metrics

    run(test())


def test_rejects_alone_are_said_to_be_landed_too(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            await socket.send("{}")
            assert "errors" in await heard(socket)
            assert await heard(socket) == {"ack": 1, "landed": True}
        assert [letter["body"] for letter in letters(lake)] == ["{}"]

    run(test())


def test_connections_are_numbered_apart(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server, server.client() as one, server.client() as other:
            await one.send(TRADE)
            await until_landed(one, 1)
            await other.send(TRADE)
            assert (await until_landed(other, 1))[0] == {"ack": 1, "landed": False}

    run(test())


@pytest.mark.parametrize(
    ("frame", "code", "outcome"),
    [
        (TRADE.encode(), 1003, "bytes"),
        (changed(TRADE, conditions="x" * MAX_FRAME_BYTES), 1009, "too_large"),
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007, "not_utf8"),
    ],
)
def test_what_is_no_message_ends_the_connection_with_a_reason_and_is_counted(
    lake: Lake, frame: str | bytes, code: int, outcome: str
) -> None:
    """What came before it lands; its sender knows by the acknowledgements what to send again."""

    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            await socket.send(TRADE)
            await until_landed(socket, 1)
            if outcome == "not_utf8":
                assert isinstance(frame, bytes)
                socket.transport.write(frame)  # a text frame as no library would send it
            else:
                await socket.send(frame)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == code
            await server.counted(kind="frame", outcome=outcome)
            assert caught.value.rcvd.reason or outcome == "not_utf8"
        assert rows(lake, "trades", "trade_id") == [("t1",)]

    run(test())


def test_a_message_of_the_largest_size_is_answered(lake: Lake) -> None:
    text = changed(TRADE, conditions="")
    text = text.replace(
        '"conditions": ""', f'"conditions": "{"x" * (MAX_FRAME_BYTES - len(text))}"'
    )
    assert len(text) == MAX_FRAME_BYTES

    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            await socket.send(text)
            answer = await heard(socket)
            assert [each["at"] for each in answer["errors"]] == ["trade.conditions"]

    run(test())


def test_an_error_of_the_server_is_logged_and_is_not_a_farewell(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(market_data.DATASET_OF, "trade")

    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            await socket.send(TRADE)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
                1011,
                "an error of the server",
            )

    run(test())
    assert "a message could not be taken in" in caplog.text


def test_nothing_is_said_to_be_landed_before_it_is(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    slow = SlowLake(lake.data, failures=[OSError(28, "No space left on device")] * 3)

    async def test() -> None:
        async with served(slow) as server, server.client() as socket:
            await socket.send(TRADE)
            assert await heard(socket) == {"ack": 1, "landed": False}
            assert rows(lake, "trades", "trade_id") == []
            assert await heard(socket) == {"ack": 1, "landed": True}
            assert rows(lake, "trades", "trade_id") == [("t1",)]
            assert server.service.metrics.total("failed_landings_total") == 3

    run(test())


@dataclass(frozen=True)
class SlowLake(Lake):
    """A lake whose first landings fail."""

    failures: list[OSError] = field(default_factory=list)

    def open_batch(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the lake
        if self.failures:
            raise self.failures.pop(0)
        return super().open_batch(*args, **options)


def test_a_full_queue_holds_senders_back_and_loses_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.05, 0.05))
    slow = SlowLake(lake.data, failures=[OSError(28, "No space left on device")] * 3)
    limits = Limits(seconds=0.01, records=20, queue=10)

    async def test() -> None:
        async with served(slow, limits) as server, server.client() as socket:

            async def send() -> None:
                for number in range(200):
                    await socket.send(changed(TRADE, trade_id=f"t{number}"))

            sending = asyncio.create_task(send())
            await until_landed(socket, 200)
            await sending
            assert server.service.metrics.total("back_pressure_seconds_total") > 0.05
        assert rows(lake, "trades", "trade_id") == [(f"t{number}",) for number in range(200)]

    run(test())


# -- the token -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({}, ()),
        ({"Authorization": "Bearer another-token-of-tests"}, ()),
        ({"Authorization": TOKEN}, ()),
        ({"Authorization": f"Basic {TOKEN}"}, ()),
        ({"Authorization": f"Bearer {TOKEN}x"}, ()),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, ()),
        ({"Authorization": f"Bearer {TOKEN.upper()}"}, ()),
        ({"Authorization": "Bearer \xe9\xff"}, ()),
        ({"Authorization": "Bearer "}, ()),
        ({}, ("tapehouse.v1", "another-token")),
    ],
)
def test_without_the_token_nobody_gets_in(
    lake: Lake,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test() -> None:
        async with served(lake) as server:
            offered = [Subprotocol(name) for name in subprotocols] or None
            with pytest.raises(InvalidStatus) as caught:
                async with connect(
                    f"ws://{server.address}/v1/ingest",
                    additional_headers=headers,
                    subprotocols=offered,
                ):
                    pass
            assert caught.value.response.status_code == 401
            assert caught.value.response.headers["www-authenticate"] == "Bearer"
            assert TOKEN.encode() not in (caught.value.response.body or b"")

    run(test())
    assert capsys.readouterr().err == "", "a stranger is no error of the server"


def test_the_token_may_come_as_a_subprotocol_and_is_not_echoed(lake: Lake) -> None:
    async def test() -> None:
        async with (
            served(lake) as server,
            connect(
                f"ws://{server.address}/v1/ingest",
                subprotocols=[Subprotocol("tapehouse.v1"), Subprotocol(TOKEN)],
            ) as socket,
        ):
            assert socket.subprotocol == "tapehouse.v1"
            await socket.send(TRADE)
            await until_landed(socket, 1)

    run(test())


@pytest.mark.parametrize("path", ["/metrics", "/v1/contract"])
def test_what_others_can_reach_wants_the_token(lake: Lake, path: str) -> None:
    async def test() -> None:
        async with served(lake, is_local=False) as server:
            for headers in ({}, {"Authorization": "Bearer another-token-of-tests"}):
                answer = await server.get(path, headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert "tapehouse" not in answer.text
            assert (await server.get(path, BEARER)).status_code == 200

    run(test())


def test_health_tells_strangers_no_more_than_the_status(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake, is_local=False) as server:
            answer = await server.get("/healthz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert "queue_depth" in (await server.get("/healthz", BEARER)).json()

    run(test())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - that is the question
        ("::", False),
        ("", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_only_loopback_addresses_are_local(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_command_asks_strangers_for_the_token_on_other_addresses(tmp_path: Path) -> None:
    async def test() -> None:
        async with command(tmp_path, "--host", "0.0.0.0") as (_, url):  # noqa: S104
            port = url.split(":")[2].partition("/")[0]
            async with httpx.AsyncClient() as http:
                answers = [
                    await http.get(f"http://127.0.0.1:{port}/metrics", headers=headers)
                    for headers in ({}, BEARER)
                ]
            assert [answer.status_code for answer in answers] == [401, 200]

    run(test())


@pytest.mark.parametrize("token", ["", "short"])
def test_it_does_not_start_without_a_good_token(lake: Lake, token: str) -> None:
    with pytest.raises(AccessError, match="TAPEHOUSE_SERVE_TOKEN"):
        Service(lake, token)


# -- being watched ---------------------------------------------------------------------------------


def test_health_tells_of_the_queue_and_the_last_landing(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            answer = await server.get("/healthz")
            assert answer.status_code == 200
            assert answer.json() == {
                "status": "ok",
                "error": None,
                "queue_depth": 0,
                "queue_size": 50_000,
                "last_landing": None,
            }
            await socket.send(TRADE)
            await until_landed(socket, 1)
            assert (await server.get("/healthz")).json()["last_landing"].startswith("20")

    run(test())


def test_health_fails_while_landing_fails(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    failures = [OSError(28, "No space left on device")] * 10_000
    slow = SlowLake(lake.data, failures=failures)

    async def test() -> None:
        async with served(slow) as server, server.client() as socket:
            await socket.send(TRADE)
            await heard(socket)
            while not server.service.batches.error:  # noqa: ASYNC110 - set by a landing
                await asyncio.sleep(0.002)
            answer = await server.get("/healthz")
            assert answer.status_code == 503
            assert (answer.json()["status"], answer.json()["queue_depth"]) == ("failing", 1)
            assert "No space left" in answer.json()["error"]
            failures.clear()
            await until_landed(socket, 1)
            assert (await server.get("/healthz")).status_code == 200

    run(test())


def test_health_fails_when_the_lake_cannot_be_written(lake: Lake) -> None:
    lake.data.root.mkdir(parents=True, exist_ok=True)
    lake.data.lake.write_text("a file where a folder should be")

    async def test() -> None:
        async with served(lake) as server:
            answer = await server.get("/healthz")
            assert answer.status_code == 503
            assert "cannot be written" in answer.json()["error"]

    run(test())


def test_metrics_are_in_the_format_of_prometheus(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server, server.client() as socket:
            await socket.send(TRADE)
            await until_landed(socket, 1)
            answer = await server.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        lines = answer.text.splitlines()
        for line in (
            'tapehouse_messages_total{kind="trade",outcome="accepted",provider="serve"} 1.0',
            'tapehouse_landed_records_total{provider="serve"} 1.0',
            'tapehouse_batches_total{provider="serve"} 1.0',
            'tapehouse_queue_depth{provider="serve"} 0.0',
            'tapehouse_landing_seconds_count{provider="serve"} 1.0',
        ):
            assert line in lines

    run(test())


# -- stopping --------------------------------------------------------------------------------------


def test_stopping_lands_what_is_queued_and_says_so(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake, Limits(seconds=600)) as server, server.client() as socket:
            await socket.send(TRADE)
            assert await heard(socket) == {"ack": 1, "landed": False}
            server.server.stop()
            assert await heard(socket) == {"ack": 1, "landed": True}
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        assert rows(lake, "trades", "trade_id") == [("t1",)]

    run(test())


def test_stopping_with_a_full_disk_says_what_is_lost(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "RETRY_SECONDS", (0.01, 0.01))
    slow = SlowLake(lake.data, failures=[OSError(28, "No space left on device")] * 10_000)

    async def test() -> None:
        limits = Limits(seconds=0.01, flush_seconds=0.05)
        async with served(slow, limits) as server, server.client() as socket:
            services.append(server.service)
            await socket.send(TRADE)
            await heard(socket)

    services: list[Service] = []
    with pytest.raises(NotLandedError, match="1 messages of serve"):
        run(test())
    assert services[0].metrics.total("lost_messages_total") == 1


@asynccontextmanager
async def command(
    root: Path, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the real command; give the process and its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestration.cli", "serve", "--port", "0", *options,
        env={**os.environ, "TAPEHOUSE_DATA_DIR": str(root), "TAPEHOUSE_SERVE_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            yield process, (await process.stderr.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_sigterm_lands_what_is_queued_and_exits_well(tmp_path: Path) -> None:
    async def test() -> None:
        async with command(tmp_path, "--batch-seconds", "600") as (process, url):
            async with connect(url, additional_headers=BEARER) as socket:
                await socket.send(TRADE)
                assert await heard(socket) == {"ack": 1, "landed": False}
                process.send_signal(signal.SIGTERM)
                assert await heard(socket) == {"ack": 1, "landed": True}
            assert await process.wait() == 0
        assert rows(Lake(DataDir(tmp_path)), "trades", "trade_id") == [("t1",)]

    run(test())


def test_kill_loses_nothing_that_was_said_to_be_landed(tmp_path: Path) -> None:
    async def test() -> None:
        async with command(tmp_path, "--batch-seconds", "0.01") as (process, url):
            said = 0
            async with connect(url, additional_headers=BEARER) as socket:
                for number in range(1, 301):
                    await socket.send(changed(TRADE, trade_id=f"t{number}"))
                while said < 100:
                    answer = await heard(socket)
                    said = answer["ack"] if answer["landed"] else said
                process.kill()
                with suppress(ConnectionClosed):
                    while True:
                        answer = await heard(socket)
                        said = answer["ack"] if answer["landed"] else said
            await process.wait()
        found = rows(Lake(DataDir(tmp_path)), "trades", "trade_id")
        assert len(found) >= said >= 100
        assert found == [(f"t{number}",) for number in range(1, len(found) + 1)]

    run(test())


# -- the contract ----------------------------------------------------------------------------------


BREAKING = [
    (changed(TRADE, kind="order"), "message"),
    (changed(TRADE, kind=None), "message"),
    ("[1]", "message"),
    ('"text"', "message"),
    ("[" * 100_000, "message"),
    (TRADE.replace('"price":60000.10', '"price":60000.10,"price":1'), "message"),
    (changed(TRADE, trade_id=None), "trade.trade_id"),
    (changed(TRADE, trade_id=5), "trade.trade_id"),
    (changed(TRADE, source=1), "trade.source"),
    (changed(TRADE, source="no spaces"), "trade.source"),
    (changed(TRADE, asset_class="option"), "trade.asset_class"),
    (changed(TRADE, symbol="BTC-USD"), "trade"),
    (changed(TRADE, symbol="btc/usd"), "trade"),
    (changed(QUOTE, symbol="BRK-B"), "quote"),
    (changed(TRADE, side="SELL"), "trade.side"),
    (changed(TRADE, price=0), "trade.price"),
    (TRADE.replace("60000.10", "NaN"), "trade.price"),
    (TRADE.replace("60000.10", "Infinity"), "trade.price"),
    (TRADE.replace("60000.10", "1e24"), "trade.price"),
    (TRADE.replace("60000.10", "1e99999999999999999999"), "trade.price"),
    (changed(TRADE, price=True), "trade.price"),
    (changed(TRADE, traded_at="2026-11-20T10:00:00"), "trade.traded_at"),
    (changed(TRADE, traded_at="yesterday"), "trade.traded_at"),
    (changed(TRADE, traded_at=1763632800), "trade.traded_at"),
    (changed(BAR, timeframe="2m"), "bar.timeframe"),
    (changed(BAR, trade_count=1.5), "bar.trade_count"),
    (changed(BAR, volume=-1), "bar.volume"),
    (changed(BAR, _extra="x"), "bar._extra"),
    (TRADE.replace("60000.10", "1e9999999"), "trade.price"),
    (changed(TRADE, traded_at="2026-02-30T10:00:00Z"), "trade.traded_at"),
    (changed(TRADE, traded_at="20261120T100000Z"), "trade.traded_at"),
]
ODD = [
    (BAR.replace(":7}", ":-Infinity}"), "bar.trade_count"),
    (BAR.replace(":7}", ":1e-999999999}"), "bar.trade_count"),
    (TRADE.replace("60000.10", "1" * 5000), "trade.price"),
    (TRADE.replace("0.01000000", "1e-99999999999999999999"), "trade.size"),
    (TRADE.replace("60000.10", "0x10"), "message"),
    (TRADE.replace("BTC/USD", "\\ud83d"), "trade"),
    (TRADE.replace('"t1"', '"\\ud83d"'), "trade.trade_id"),
    (TRADE.replace('"side"', '"\\ud83d"'), "trade"),
    (TRADE.replace('"trade"', '"\\ud83d"'), "message"),
    ('{"\\ud83d":1,"\\ud83d":2}', "message"),
    ('{"kind":["trade"]}', "message"),
    ("\ufeff" + TRADE, "message"),
    ("", "message"),
]
"""Not what a JSON Schema can be asked about."""
KEEPING = [TRADE, QUOTE, BAR, changed(BAR, trade_count=None, vwap=1.1)]


@pytest.mark.parametrize(("text", "at"), [*BREAKING, *ODD])
def test_what_breaks_the_contract_is_said_where(text: str, at: str) -> None:
    with pytest.raises(BrokenContractError) as caught:
        read_message(text)
    assert [error["at"] for error in caught.value.errors] == [at]
    assert json.dumps(caught.value.errors).isascii()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud83d", "trade", "quote", "bar", "9" * 400, 10**400, "2026-11-20T10:00Z"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([TRADE, QUOTE, BAR]),
    st.dictionaries(
        st.sampled_from(sorted({*json.loads(TRADE), *json.loads(BAR)})) | st.text(max_size=3),
        VALUES,
        max_size=3,
    ),
)
def test_whatever_is_sent_keeps_its_contract_or_is_told_why_not(
    text: str, values: dict[str, object]
) -> None:
    sent = json.dumps({**json.loads(text), **values})
    errors: list[BrokenContractError] = []
    try:
        message, record = read_message(sent)
    except BrokenContractError as error:
        errors.append(error)
    else:
        dataset = market_data.DATASETS[market_data.DATASET_OF[message.kind]]
        assert to_table([record], dataset)["_extra"].to_pylist() == [None]
    for each in errors:
        assert each.errors
        assert json.dumps(each.errors).isascii()
        assert each.dataset in market_data.DATASETS


@pytest.mark.parametrize("text", KEEPING)
def test_what_keeps_the_contract_is_read_with_its_text(text: str) -> None:
    message, record = read_message(text)
    assert record.keys() == json.loads(text).keys() - {"kind"}
    assert all(str(value) in text for value in record.values())
    assert message.kind == json.loads(text)["kind"]


def test_the_contract_is_published_as_json_schema(lake: Lake) -> None:
    async def test() -> None:
        async with served(lake) as server:
            assert (await server.get("/v1/contract")).json() == market_data.json_schema()

    run(test())
    schema = market_data.json_schema()
    assert {each["$ref"].rpartition("/")[2] for each in schema["oneOf"]} == set(schema["$defs"])
    assert schema["$defs"].keys() == {"Trade", "Quote", "Bar"}
