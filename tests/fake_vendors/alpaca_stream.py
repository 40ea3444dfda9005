"""A local market-data stream of Alpaca, over real WebSockets, as its documentation describes it.

It wants the key, lets one client in at a time, and holds a free plan to its channels. Messages are
literal JSON text, so that a test can follow a number's text from the wire to the lake.

Source: https://docs.alpaca.markets/docs/streaming-market-data
"""

import json
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection

from tests.fake_vendors.stream import FakeStream

FREE_CHANNELS = 30
KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"


@dataclass
class FakeAlpacaStream(FakeStream):
    """The stream; `code` is an error it answers the subscription with, `auth_code` the key."""

    code: int | None = None
    auth_code: int | None = None
    busy: int = 0

    async def log_in(self, socket: ServerConnection) -> bool:
        """Say hello, check the key, and take the subscription."""
        await socket.send('[{"T":"success","msg":"connected"}]')
        asked = json.loads(await self.hear(socket))
        if self.auth_code is not None:
            await socket.send(error(self.auth_code))
            return False
        if (asked.get("action"), asked.get("key"), asked.get("secret")) != ("auth", KEY, SECRET):
            await socket.send(error(402))
            return False
        if self.busy:
            self.busy -= 1
            await socket.send(error(406))
            return False
        await socket.send('[{"T":"success","msg":"authenticated"}]')
        asked = json.loads(await self.hear(socket))
        assert asked.pop("action") == "subscribe"
        if self.code is not None:
            await socket.send(error(self.code))
            return False
        if len(asked.get("trades", [])) + len(asked.get("quotes", [])) > FREE_CHANNELS:
            await socket.send(error(405))
            return False
        await socket.send(json.dumps([{"T": "subscription", **asked}]))
        return True


TEXTS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}


def error(code: int, said: str = "") -> str:
    """Return a frame with an error; `said` is what the vendor repeats in it."""
    return json.dumps([{"T": "error", "code": code, "msg": " ".join([TEXTS[code], said]).strip()}])


def bar(minute: int, close: str, *, kind: str = "b", symbol: str = "AAPL") -> str:
    """Return one minute's bar, as text without the brackets of a frame."""
    return (
        f'{{"T":"{kind}","S":"{symbol}","o":100.10,"h":120.00,"l":80.00,"c":{close},"v":1500,'
        f'"t":"2026-11-20T15:{minute:02}:00Z","n":12,"vw":100.5000}}'
    )


def trade(number: int, price: str = "100.10", symbol: str = "AAPL") -> str:
    return (
        f'{{"T":"t","S":"{symbol}","i":{number},"x":"V","p":{price},"s":40,"c":["@"],'
        f'"z":"C","t":"2026-11-20T15:00:{number % 60:02}.123456789Z"}}'
    )


def correction(number: int, replaced: int, price: str, symbol: str = "AAPL") -> str:
    return (
        f'{{"T":"c","S":"{symbol}","x":"V","oi":{replaced},"op":100.10,"os":40,"oc":["@"],'
        f'"ci":{number},"cp":{price},"cs":35,"cc":["@"],'
        f'"t":"2026-11-20T15:00:{replaced % 60:02}.123456789Z","z":"C"}}'
    )


def cancellation(number: int, symbol: str = "AAPL") -> str:
    return (
        f'{{"T":"x","S":"{symbol}","i":{number},"x":"V","p":100.10,"s":40,"a":"C",'
        f'"t":"2026-11-20T15:00:{number % 60:02}.123456789Z","z":"C"}}'
    )


def quote(second: int, bid: str = "100.00", ask: str = "100.20", symbol: str = "AAPL") -> str:
    return (
        f'{{"T":"q","S":"{symbol}","bx":"V","bp":{bid},"bs":2,"ax":"V","ap":{ask},"as":3,'
        f'"c":["R"],"z":"C","t":"2026-11-20T15:00:{second:02}.000000001Z"}}'
    )


def frame(*messages: str) -> str:
    return f"[{','.join(messages)}]"
