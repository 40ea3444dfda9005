"""A local Coinbase Exchange that answers over real HTTP as its documentation and users describe.

Candles are kept as the literal JSON text of their rows, so that a test can follow a number's text
from the wire to the lake. `fail` makes it misbehave. Nothing here knows the code under test.

Source: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-candles
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
MOST_INTERVALS = 300
NEWEST_ROWS = 350


@dataclass(frozen=True)
class Fault:
    """What happens instead of a proper answer; `body` None keeps the proper one.

    `cut_after` closes the connection after so many bytes of the body, `trickle_seconds` is the
    pause between single bytes, `hangs_up` closes without any answer.
    """

    status: int = 200
    body: str | bytes | None = None
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    delay_seconds: float = 0
    trickle_seconds: float = 0
    hangs_up: bool = False


def message(status: int, text: str, **headers: str) -> Fault:
    """Return an answer with the vendor's way of saying what is wrong."""
    return Fault(
        status,
        json.dumps({"message": text}),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


THROTTLED = message(429, "Public rate limit exceeded")
HANG_UP = Fault(hangs_up=True)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    at: float

    @property
    def symbol(self) -> str:
        return unquote(self.path.split("/")[2])


@dataclass
class FakeCoinbase:
    """The vendor's state: candles by (product, granularity) and bucket start, and its own time."""

    now: int
    candles: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    products: str = "[]"
    rows_before_start: int = 0
    is_dead: bool = False
    dies_after: int | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _faults: list[tuple[str, Fault]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator["FakeCoinbase"]:
        """Serve on a free local port until the block ends."""
        fake = self

        class Handler(_Handler):
            vendor = fake

        server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def fill(
        self,
        symbol: str,
        granularity: int,
        first: int,
        count: int,
        *,
        omitting: Iterable[int] = (),
    ) -> dict[int, str]:
        """Make up `count` buckets, but for the omitted ones, and return their rows' text."""
        omitted = set(omitting)
        starts = range(first, first + count * granularity, granularity)
        rows = {start: candle(start) for start in starts if start not in omitted}
        self.candles.setdefault((symbol, granularity), {}).update(rows)
        return rows

    def fail(self, where: str, *faults: Fault, times: int = 1) -> None:
        """Misbehave on the next requests whose path and query contain `where`."""
        self._faults.extend((where, fault) for fault in faults for _ in range(times))

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.asked.clear()

    def receive(self, target: str, headers: Mapping[str, str]) -> tuple[Fault, Fault]:
        """Note a request and return what to do and the proper answer."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self._lock:
            self.asked.append(Asked(parts.path, params, dict(headers), time.monotonic()))
            if self.dies_after is not None and len(self.asked) > self.dies_after:
                self.is_dead = True
            if self.is_dead:
                return HANG_UP, HANG_UP
            proper = self._answer(parts.path, params)
            for position, (where, fault) in enumerate(self._faults):
                if where in target:
                    del self._faults[position]
                    return fault, proper
        return proper, proper

    def _answer(self, path: str, params: Mapping[str, str]) -> Fault:
        parts = path.strip("/").split("/")
        if parts == ["products"]:
            return Fault(body=self.products)
        if len(parts) == 3 and parts[0] == "products" and parts[2] == "candles":
            symbol = unquote(parts[1])
            if not any(symbol == known for known, _ in self.candles):
                return message(404, "NotFound")
            return self._candles(symbol, params)
        return message(404, "NotFound")

    def _candles(self, symbol: str, params: Mapping[str, str]) -> Fault:
        granularity = int(params.get("granularity", 60))
        if granularity not in GRANULARITIES:
            return message(400, "Unsupported granularity")
        rows = self.candles.get((symbol, granularity), {})
        existing = sorted((start for start in rows if start <= self.now), reverse=True)
        if "start" not in params or "end" not in params:
            return _rows(rows[start] for start in existing[:NEWEST_ROWS])
        first, last = _seconds(params["start"]), _seconds(params["end"])
        if first > last:
            return message(400, "start must be before end")
        if (last - first) / granularity > MOST_INTERVALS:
            return message(
                400,
                "granularity too small for the requested time range."
                " Count of aggregations requested exceeds 300",
            )
        wanted = [start for start in existing if first <= start <= last]
        earlier = [start for start in existing if start < first][: self.rows_before_start]
        return _rows(rows[start] for start in wanted + earlier)


def candle(start: int) -> str:
    """Return a row whose numbers are all told apart, many with a trailing zero."""
    number = start // 60
    price = 100 + number % 50
    cents = number % 10
    return (
        f"[{start},{price - 1}.{cents}0,{price + 2}.{cents}0,{price}.{cents}0,"
        f"{price + 1}.{cents}0,{number % 1000}.12345670]"
    )


def _rows(texts: Iterable[str]) -> Fault:
    return Fault(body=f"[{','.join(texts)}]")


def _seconds(text: str) -> int:
    return int(text) if text.isdigit() else int(datetime.fromisoformat(text).timestamp())


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, connections made at once wait a second


class _Handler(BaseHTTPRequestHandler):
    vendor: FakeCoinbase
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        answer, proper = self.vendor.receive(self.path, dict(self.headers))
        if answer.delay_seconds:
            time.sleep(answer.delay_seconds)
        if answer.hangs_up:
            self.close_connection = True
            return
        text = answer.body if answer.body is not None else proper.body or ""
        body = text.encode() if isinstance(text, str) else text
        self.send_response(answer.status)
        if answer.content_type is not None:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self._send(body, answer)
        except OSError:  # the client was told to give up
            self.close_connection = True

    def _send(self, body: bytes, answer: Fault) -> None:
        if answer.trickle_seconds:
            for position in range(len(body)):
                self.wfile.write(body[position : position + 1])
                time.sleep(answer.trickle_seconds)
            return
        self.wfile.write(body[: answer.cut_after])
        if answer.cut_after is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep quiet."""
