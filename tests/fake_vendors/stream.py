"""A local vendor that speaks over real WebSockets: what the fakes of streams share.

A vendor of the tests extends `FakeStream` with how it is logged in to. What it then says, and when
it cuts the connection, is a script: one list per connection, in the order they are made; after the
last list connections stay open and silent. Nothing of one vendor belongs here, and nothing here
knows the code under test.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

CUT = object()
"""A step of a script: the connection breaks without a farewell."""

Step = str | bytes | object | Callable[[], object]
"""A frame to send, `CUT`, an `asyncio.Event` to wait for, or something to do."""


@dataclass
class FakeStream:
    """The vendor's state: its script, what it heard, and how often it was connected to.

    `refusals` are HTTP statuses with which the first connections are refused.
    """

    script: Sequence[Sequence[Step]] = ()
    refusals: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    connections: int = 0
    sessions: int = 0
    sent: int = 0
    url: str = ""
    _server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._connected, "127.0.0.1", 0, process_request=self._refuse, close_timeout=0.5
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"ws://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def log_in(self, socket: ServerConnection) -> bool:
        """Greet a client; return whether it may listen."""
        raise NotImplementedError

    async def hear(self, socket: ServerConnection) -> str:
        """Return the next thing the client says."""
        text = await socket.recv()
        assert isinstance(text, str)
        self.heard.append(text)
        return text

    def _refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        del request
        return socket.respond(self.refusals.pop(0), "no\n") if self.refusals else None

    async def _connected(self, socket: ServerConnection) -> None:
        self.connections += 1
        try:
            if not await self.log_in(socket):
                return
            number, self.sessions = self.sessions, self.sessions + 1
            await self._say(socket, self.script[number] if number < len(self.script) else ())
            await socket.wait_closed()
        except ConnectionClosed:
            return

    async def _say(self, socket: ServerConnection, steps: Sequence[Step]) -> None:
        for step in steps:
            if step is CUT:
                socket.transport.abort()
                return
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, str | bytes):
                await socket.send(step)
                self.sent += 1
            elif callable(step):
                step()
