"""An address that other programs send market data to: `tapehouse serve`.

    WebSocket /v1/ingest    messages under `ingest.contracts.market_data`, one JSON object per frame
    GET /v1/contract        the contracts, as JSON Schema
    GET /healthz            whether messages can be landed; 503 when not
    GET /metrics            what was counted, for Prometheus

Messages have at most 1 MiB; a larger one, one that is not UTF-8 and one in bytes end the connection
with a code and a reason (1009, 1007, 1003), and are counted. Where only this machine can reach it,
all but sending is open; on any other address what is counted and the contracts want the token too,
and health without it is only the status.

Each message of a connection has a number, from 1. It is answered by `{"ack": 7, "landed": false}`
when it is queued or `{"rejected": 7, "errors": [...]}` when it breaks its contract; `{"ack": 7,
"landed": true}` says that all up to 7 are on disk, the rejected ones as dead letters. What was not
said to be landed when a connection ends is to be sent again. The token comes as `Authorization:
Bearer …`, or, from where headers cannot be set, as the WebSocket subprotocol after `tapehouse.v1`.
Not for judging values: bad ones land too, and SQL quarantines them.
"""

import asyncio
import ipaddress
import json
import logging
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ingest.clock import iso
from ingest.contracts import market_data
from ingest.contracts.market_data import BrokenContractError, read_message
from ingest.lake import Lake
from ingest.provider import AccessError, Reject
from ingest.streams.micro_batches import Limits, Message, Metrics, MicroBatches

TOKEN_NAME = "TAPEHOUSE_SERVE_TOKEN"  # noqa: S105 - the variable's name
SHORTEST_TOKEN = 16
SUBPROTOCOL = "tapehouse.v1"
MAX_FRAME_BYTES = 1 << 20
GOING_AWAY = 1001
GOODBYE_SECONDS = 5.0
UNSUPPORTED = 1003
INTERNAL_ERROR = 1011
REFUSED_FRAMES = {1007: "not_utf8", 1009: "too_large"}
"""By the code with which the server ends a connection: what it is counted as."""

WITHOUT_TOKEN = (
    {"error": "send the token as `Authorization: Bearer …`"},
    HTTPStatus.UNAUTHORIZED,
    {"www-authenticate": "Bearer"},
)

log = logging.getLogger(__name__)


class Client:
    """One connection: what it was told is landed, and what is."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.landed = 0
        self.told = 0
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()

    def on_landed(self, number: int) -> None:
        """Note that the messages up to `number` are on disk."""
        self.landed = number
        self._news.set()

    async def send(self, answer: dict[str, Any]) -> None:
        """Send an answer; one at a time."""
        async with self._sending:
            await self.websocket.send_text(json.dumps(answer))

    async def tell_landed(self) -> None:
        """Send what has landed, as it does."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.tell()

    async def tell(self) -> None:
        """Send the newest number that has landed, unless it was sent before."""
        if self.landed > self.told:
            self.told = self.landed
            await self.send({"ack": self.told, "landed": True})


class Service:
    """The state behind the app: the queue, the clients, the token."""

    def __init__(
        self, lake: Lake, token: str, limits: Limits | None = None, *, is_local: bool = True
    ) -> None:
        """Check the token; `is_local` says that only this machine can reach the service.

        Raises:
            AccessError: the token is missing or too short.
        """
        if len(token) < SHORTEST_TOKEN:
            raise AccessError(
                f"set {TOKEN_NAME} (in the environment or .env) to a secret of at least"
                f" {SHORTEST_TOKEN} characters, e.g. from `openssl rand -hex 32`"
            )
        self.lake = lake
        self.metrics = Metrics(market_data.PROVIDER)
        self.batches = MicroBatches(
            lake, market_data.PROVIDER, market_data.DATASETS, self.metrics, limits or Limits()
        )
        self.is_local = is_local
        self._token = token.encode()
        self.on_end: Callable[[], None] = lambda: None
        """Called when landing has ended, wanted or not."""
        self._reading: set[asyncio.Task[None]] = set()
        self._handlers: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/v1/contract", self.show_contract),
                Route("/healthz", self.health),
                Route("/metrics", self.show_metrics),
                WebSocketRoute("/v1/ingest", self.ingest),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        self._landing = asyncio.create_task(self.batches.run())
        self._landing.add_done_callback(lambda _: self.on_end())
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Take in nothing more, land what is queued, and tell the clients.

        Raises:
            NotLandedError: the disk did not take the last messages.
        """
        if not self._is_closing:
            self._is_closing = True
            for reading in self._reading:
                reading.cancel()
            await asyncio.gather(*self._reading, return_exceptions=True)
            self.batches.close()
            await asyncio.wait({self._landing})
            if self._handlers:
                await asyncio.wait(self._handlers, timeout=GOODBYE_SECONDS)
        await self._landing

    # -- taking in ---------------------------------------------------------------------------------

    async def ingest(self, websocket: WebSocket) -> None:
        """Take in the messages of one connection until it ends."""
        if not self._is_allowed(websocket):
            self.metrics.count("connection", "refused")
            await websocket.send_denial_response(JSONResponse(*WITHOUT_TOKEN))
            return
        offered = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
        await websocket.accept(offered)
        self.metrics.connections.inc()
        if not self._is_closing:
            await self._take_in(Client(websocket))
        with suppress(WebSocketDisconnect, RuntimeError):  # it may be closed already
            await websocket.close(GOING_AWAY, "shutting down")

    async def _take_in(self, client: Client) -> None:
        reading = asyncio.create_task(self._read(client))
        telling = asyncio.create_task(client.tell_landed())
        handler = asyncio.current_task()
        self._reading.add(reading)
        if handler is not None:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        try:
            await asyncio.wait({reading, telling}, return_when=asyncio.FIRST_COMPLETED)
            if self._is_closing:
                await asyncio.wait({self._landing})
        finally:
            self._reading.discard(reading)
            for task in (reading, telling):
                task.cancel()
            error, _ = await asyncio.gather(reading, telling, return_exceptions=True)
        if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect):
            log.error("a message could not be taken in", exc_info=error)
            with suppress(WebSocketDisconnect, RuntimeError):
                await client.websocket.close(INTERNAL_ERROR, "an error of the server")
        if self._is_closing:
            with suppress(WebSocketDisconnect, RuntimeError):
                await client.tell()

    async def _read(self, client: Client) -> None:
        number = 0
        while True:
            received = await client.websocket.receive()
            if received["type"] == "websocket.disconnect":
                if outcome := REFUSED_FRAMES.get(received["code"]):
                    self.metrics.count("frame", outcome)
                return
            text = received.get("text")
            if text is None:
                self.metrics.count("frame", "bytes")
                await client.websocket.close(UNSUPPORTED, "send text, not bytes")
                return
            number += 1
            answer, message = self._read_one(text, number, client)
            await self.batches.put(message)
            await client.send(answer)

    def _read_one(self, text: str, number: int, client: Client) -> tuple[dict[str, Any], Message]:
        """Return the answer to a message, and what to queue of it."""
        now = self.lake.clock()

        def landed() -> None:
            client.on_landed(number)

        try:
            message, record = read_message(text)
        except BrokenContractError as error:
            self.metrics.count(error.kind, "rejected")
            reject = Message(error.dataset, Reject(str(error), text), now, on_landed=landed)
            return {"rejected": number, "errors": error.errors}, reject
        dataset = market_data.DATASET_OF[message.kind]
        self.metrics.count(message.kind, "accepted")
        return {"ack": number, "landed": False}, Message(
            dataset,
            record,
            now,
            f"{message.asset_class}:{message.symbol}",
            record.get("timeframe"),
            landed,
        )

    def _is_allowed(self, connection: HTTPConnection) -> bool:
        """Return whether the token came; how long that takes tells nothing of it."""
        scheme, _, sent = connection.headers.get("authorization", "").partition(" ")
        offered = [sent] if scheme.lower() == "bearer" else []
        offered += [
            name for name in connection.scope.get("subprotocols", ()) if name != SUBPROTOCOL
        ]
        return any(
            secrets.compare_digest(token.encode(errors="replace"), self._token) for token in offered
        )

    # -- being watched -----------------------------------------------------------------------------

    async def health(self, request: HttpRequest) -> Response:
        """Answer whether messages can be landed; details are not for strangers."""
        error = self.batches.error or await asyncio.to_thread(self._why_not_writable)
        if self._landing.done() or self._is_closing:
            error = error or "shutting down"
        landed_at = self.metrics.total("last_landing_timestamp_seconds")
        state = {
            "status": "failing" if error else "ok",
            "error": error,
            "queue_depth": self.batches.depth,
            "queue_size": self.batches.limits.queue,
            "last_landing": iso(datetime.fromtimestamp(landed_at, UTC)) if landed_at else None,
        }
        if not self._may_look(request):
            state = {"status": state["status"]}
        return JSONResponse(state, HTTPStatus.SERVICE_UNAVAILABLE if error else HTTPStatus.OK)

    def _may_look(self, request: HttpRequest) -> bool:
        return self.is_local or self._is_allowed(request)

    async def show_metrics(self, request: HttpRequest) -> Response:
        """Answer what was counted."""
        if not self._may_look(request):
            return JSONResponse(*WITHOUT_TOKEN)
        text = await asyncio.to_thread(generate_latest, self.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def show_contract(self, request: HttpRequest) -> Response:
        """Answer what messages must be."""
        if not self._may_look(request):
            return JSONResponse(*WITHOUT_TOKEN)
        return JSONResponse(market_data.json_schema())

    def _why_not_writable(self) -> str | None:
        folder = self.lake.data.lake
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            return f"{folder} cannot be written: {error.strerror or error}"
        return None


class _Handshakes(WebSocketsSansIOProtocol):
    """Takes a refusal for the end of a handshake; the usual one logs an error after each."""

    async def send(self, message: Any) -> None:  # noqa: ANN401 - whatever ASGI has
        """Send what the app says."""
        await super().send(message)
        self.handshake_complete = self.handshake_complete or self.close_sent


class Server(uvicorn.Server):
    """A server whose signals land what is queued first, and then end it with exit code 0."""

    def __init__(
        self,
        service: Service,
        host: str,
        port: int,
        on_started: Callable[[str], None] = lambda _: None,
    ) -> None:
        config = uvicorn.Config(
            service.app(),
            host=host,
            port=port,
            ws=_Handshakes,
            ws_max_size=MAX_FRAME_BYTES,
            # Where the queue is full nothing is read, also no pong: that is no dead client.
            ws_ping_timeout=None,
            timeout_graceful_shutdown=5,
            log_level="warning",
        )
        super().__init__(config)
        self.service = service
        self.on_started = on_started
        self._stopping: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.on_started(f"{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop; the usual way raises them again at the end."""
        loop = asyncio.get_running_loop()
        self.service.on_end = self.stop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Land what is queued, then end."""
        if self._stopping is not None:
            return

        async def stop() -> None:
            try:
                await self.service.close()
            finally:
                self.should_exit = True

        self._stopping = asyncio.create_task(stop())

    async def finish(self) -> None:
        """Serve until a signal.

        Raises:
            NotLandedError: the disk did not take the last messages.
        """
        await self.serve()
        if self._stopping is not None:
            await self._stopping


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address; of names only `localhost` is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    lake: Lake,
    token: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    on_started: Callable[[str], None] = lambda _: None,
) -> Metrics:
    """Serve until SIGTERM or SIGINT; return what was counted.

    Raises:
        AccessError: the token is missing or too short.
        NotLandedError: the disk did not take the last messages.
    """
    service = Service(lake, token, limits, is_local=is_loopback(host))
    asyncio.run(Server(service, host, port, on_started).finish())
    return service.metrics
