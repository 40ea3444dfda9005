"""A local vendor that answers over real HTTP, enforces its limits and misbehaves when told to.

A vendor of the tests extends `FakeVendor` with `answer`, which says what the vendor would; `fail`
makes it misbehave. Its limits hold in every test that does not lift them: those that the vendor
documents, unless a test sets others. Nothing of one vendor belongs here, and nothing here knows the
code under test.
"""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer. `body` is sent as it is."""

    status: int = 200
    body: str | bytes | None = None
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault(Reply):
    """What happens instead of a proper answer; `body` None keeps the proper one.

    `change` makes another body of the proper one (rows doubled or shuffled, an HTML page around
    it), `cut_after` closes the connection after so many bytes of the body, `trickle_seconds` is the
    pause between single bytes, `hangs_up` closes without any answer.
    """

    change: Callable[[str], str] | None = None
    cut_after: int | None = None
    delay_seconds: float = 0
    trickle_seconds: float = 0
    hangs_up: bool = False


def reply(value: Any, status: int = 200, **headers: str) -> Reply:  # noqa: ANN401 - any JSON
    """Return `value` as JSON; an underscore in a header's name stands for a hyphen."""
    return Reply(status, json.dumps(value), headers=_headers(headers))


def message(status: int, text: str, **headers: str) -> Fault:
    """Return an error in the way of most vendors: `{"message": …}`."""
    return Fault(status, json.dumps({"message": text}), headers=_headers(headers))


HANG_UP = Fault(hangs_up=True)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; `at` is monotonic seconds, header names are as sent."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    at: float
    method: str = "GET"
    body: str = ""

    @property
    def parts(self) -> list[str]:
        """Return the parts of the path, unquoted."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def form(self) -> Mapping[str, str]:
        """Return the fields of a posted form."""
        return dict(parse_qsl(self.body, keep_blank_values=True))

    def header(self, name: str) -> str:
        """Return a header whatever the case of its name, or nothing."""
        values = (value for key, value in self.headers.items() if key.lower() == name.lower())
        return next(values, "")


@dataclass(frozen=True)
class Limit:
    """At most `requests` in every window of `seconds`, or of what the vendor counts in their place.

    With a `burst` it is a bucket instead: of so many at once, filled again at that rate. Who
    exceeds it is refused everything for `blocks_seconds`.
    """

    requests: int
    seconds: float
    burst: int | None = None
    blocks_seconds: float = 0


UNLIMITED: tuple[Limit, ...] = ()
"""For tests that ask faster than anybody may."""


class _Count:
    """What was asked of one limit."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.blocked_until = -inf
        self._granted: deque[tuple[float, int]] = deque()
        self._taken, self._taken_at = 0.0, -inf

    def has_room(self, at: float, weight: int) -> bool:
        if at < self.blocked_until:
            return False
        limit = self.limit
        if limit.burst is not None:
            refilled = (at - self._taken_at) * limit.requests / limit.seconds
            self._taken, self._taken_at = max(0.0, self._taken - refilled), at
            has_room = self._taken + weight <= limit.burst
        else:
            while self._granted and at - self._granted[0][0] >= limit.seconds:
                self._taken -= self._granted.popleft()[1]
            has_room = self._taken + weight <= limit.requests
        if not has_room:
            self.blocked_until = at + limit.blocks_seconds
        return has_room

    def grant(self, at: float, weight: int) -> None:
        self._taken += weight
        if self.limit.burst is None:
            self._granted.append((at, weight))


@dataclass(kw_only=True)
class FakeVendor:
    """A vendor's state.

    Requests beyond `limits` are answered by `throttled` and do not count; `monotonic` is the clock
    that they go by. `latency_seconds` is added to every answer. After `dies_after` requests it
    hangs up on everything.
    """

    limits: tuple[Limit, ...] = UNLIMITED
    monotonic: Callable[[], float] = time.monotonic
    latency_seconds: float = 0
    is_dead: bool = False
    dies_after: int | None = None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    throttled_count: int = 0
    _counts: dict[Limit, _Count] = field(default_factory=dict)
    _faults: list[tuple[str, Fault]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Reply:
        """Return what the vendor answers when nothing is wrong; also its refusal of a bad key."""
        raise NotImplementedError

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return what the vendor answers beyond its limit of `requests` in `seconds`."""
        del asked
        return message(429, f"more than {requests} requests in {seconds:g} s")

    def weight(self, asked: Asked) -> int:
        """Return what a request counts."""
        del asked
        return 1

    @contextmanager
    def running(self) -> Iterator[Self]:
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

    def fail(self, where: str, *faults: Fault, times: int = 1) -> None:
        """Misbehave on the next requests whose path and query, as sent, contain `where`."""
        self._faults.extend((where, fault) for fault in faults for _ in range(times))

    def recover(self) -> None:
        """Misbehave no more."""
        self._faults.clear()
        self.dies_after, self.is_dead = None, False

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.asked.clear()

    def receive(self, method: str, target: str, headers: Mapping[str, str], body: str) -> Reply:
        """Note a request and return what to do."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self._lock:
            asked = Asked(parts.path, params, headers, self.monotonic(), method, body)
            self.asked.append(asked)
            if self.dies_after is not None and len(self.asked) > self.dies_after:
                self.is_dead = True
            if self.is_dead:
                return HANG_UP
            for position, (where, fault) in enumerate(self._faults):
                if where in target:
                    del self._faults[position]
                    return self._misbehave(fault, asked)
            counts = [self._counts.setdefault(limit, _Count(limit)) for limit in self.limits]
            weight = self.weight(asked)
            for count in counts:
                if not count.has_room(asked.at, weight):
                    self.throttled_count += 1
                    return self.throttled(asked, count.limit.requests, count.limit.seconds)
            for count in counts:
                count.grant(asked.at, weight)
            return self.answer(asked)

    def _misbehave(self, fault: Fault, asked: Asked) -> Reply:
        if fault.body is not None:
            return fault
        proper = self.answer(asked).body or ""
        if fault.change is not None:
            text = proper if isinstance(proper, str) else proper.decode()
            proper = fault.change(text)
        return Fault(**{**vars(fault), "body": proper})


def _headers(named: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, connections made at once wait a second

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as there
        """Show what went wrong, unless the client is gone: some are killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    vendor: FakeVendor
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one piece: half the work of the default

    def do_GET(self) -> None:
        self._reply("")

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def _reply(self, sent: str) -> None:
        answer = self.vendor.receive(self.command, self.path, dict(self.headers), sent)
        fault = answer if isinstance(answer, Fault) else Fault()
        if pause := self.vendor.latency_seconds + fault.delay_seconds:
            time.sleep(pause)
        if fault.hangs_up:
            self.close_connection = True
            return
        text = answer.body or ""
        body = text.encode() if isinstance(text, str) else text
        try:
            self.send_response(answer.status)
            if answer.content_type is not None:
                self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self._send(body, fault)
            self.wfile.flush()
        except OSError:  # the client was told to give up
            self.close_connection = True

    def _send(self, body: bytes, fault: Fault) -> None:
        if fault.trickle_seconds:
            for position in range(len(body)):
                self.wfile.write(body[position : position + 1])
                self.wfile.flush()
                time.sleep(fault.trickle_seconds)
            return
        self.wfile.write(body[: fault.cut_after])
        if fault.cut_after is not None:
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:  # closing flushes, to a client that is gone
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep quiet."""
