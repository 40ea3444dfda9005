"""Coinbase Exchange's WebSocket feed: trades and tickers, no key needed.

Sources:
    https://docs.cdp.coinbase.com/exchange/websocket-feed/overview
    https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
    https://docs.cdp.coinbase.com/exchange/websocket-feed/errors

`matches` numbers the trades of a product without holes, and each subscription begins with the last
one (`last_match`); `heartbeat` comes every second with the number of the last trade. So what was
missed is known exactly. One product it does not know makes the vendor refuse the whole
subscription: it is left out, and the others are asked for again.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.provider import (
    Dataset,
    Reject,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
    fields,
)
from ingest.records import decode_json
from ingest.settings import Environment
from ingest.streams.runner import Told, is_name
from ingest.symbols import Spelling

URL = "wss://ws-feed.exchange.coinbase.com"
SPELLING = Spelling(pair="-")
CHANNELS = ("matches", "ticker")
DATASETS: Mapping[str, Dataset] = {
    "matches": Dataset(
        "matches",
        fields(
            "type",
            "trade_id",
            "sequence",
            "maker_order_id",
            "taker_order_id",
            "time",
            "product_id",
            "size",
            "price",
            "side",
        ),
        asset_classes=("crypto",),
    ),
    "tickers": Dataset(
        "tickers",
        fields(
            "type",
            "sequence",
            "product_id",
            "price",
            "open_24h",
            "volume_24h",
            "low_24h",
            "high_24h",
            "volume_30d",
            "best_bid",
            "best_bid_size",
            "best_ask",
            "best_ask_size",
            "side",
            "time",
            "trade_id",
            "last_size",
        ),
        asset_classes=("crypto",),
    ),
}
NUMBERS_END = 1 << 63
DATASET_OF = {"match": "matches", "last_match": "matches", "ticker": "tickers"}


class CoinbaseFeed:
    """Trades (`matches`) and best prices (`ticker`) of products.

    Symbols are canonical (`BTC/USD`) or product ids (`BTC-USD`).
    """

    provider = "coinbase"
    asset_class = "crypto"
    datasets = DATASETS
    secrets: Sequence[str] = ()
    takes_all = False
    has_heartbeats = True

    def __init__(
        self,
        symbols: Sequence[str],
        channels: Sequence[str] = (),
        environment: Environment | None = None,
    ) -> None:
        environment = environment or Environment()
        self.url = environment.url("coinbase_stream", URL)
        spelt = (SPELLING.spell(s, "crypto") if "/" in s else s for s in symbols)
        self.symbols: Sequence[str] = list(dict.fromkeys(spelt))
        self.channels = tuple(channels) or CHANNELS
        if unknown := set(self.channels) - set(CHANNELS):
            raise TerminalError(
                f"coinbase has no channel {', '.join(sorted(unknown))}; choose of"
                f" {', '.join(CHANNELS)}"
            )
        self.refused: list[str] = []
        self.is_ready = False
        self._last_trade: dict[str, int] = {}
        self._told_of: dict[str, int] = {}

    def connected(self) -> Sequence[str]:
        """Begin a new connection with its subscription."""
        self.is_ready = False
        self._told_of.clear()
        return [self._subscription()]

    def read(self, frame: str | bytes) -> tuple[Sequence[Told], Sequence[str]]:
        """Return the one message of a frame."""
        try:
            message = decode_json(frame)
        except ValueError as error:
            return [self._unreadable(f"not JSON: {error}", frame)], ()
        if not isinstance(message, dict):
            return [self._unreadable("expected an object", frame)], ()
        kind, product = str(message.get("type")), message.get("product_id")
        if kind == "error":
            return self._refused(message)
        if kind == "subscriptions":
            self.is_ready = True
            return [Told(kind, notice=self._not_subscribed(message))], ()
        if is_name(product) and kind in (*DATASET_OF, "heartbeat"):
            return [self._of_product(kind, product, message)], ()
        return [self._unreadable("a message of unknown kind or product", frame)], ()

    def _of_product(self, kind: str, product: str, message: Mapping[str, Any]) -> Told:
        if kind == "heartbeat":
            return Told(kind, symbol=product, missed=self._unheard(product, message))
        missed = 0 if kind == "ticker" else self._missed(product, message)
        return Told(kind, DATASET_OF[kind], message, product, missed=missed)

    def _subscription(self) -> str:
        channels = [*self.channels, "heartbeat"]
        return json.dumps(
            {"type": "subscribe", "product_ids": list(self.symbols), "channels": channels}
        )

    def _missed(self, product: str, match: Mapping[str, Any]) -> int:
        """Return how many trades lie between the last one heard of and this one."""
        number = _number(match.get("trade_id"))
        if number is None:
            return 0
        last = self._last_trade.get(product, number - 1)
        self._last_trade[product] = max(number, last)
        return max(0, number - last - 1)

    def _unheard(self, product: str, heartbeat: Mapping[str, Any]) -> int:
        """Return how many trades the heartbeat before this one told of that did not come.

        A trade may overtake no more than one heartbeat; those of this one may still come.
        """
        last = self._last_trade.get(product)
        told = self._told_of.get(product)
        number = _number(heartbeat.get("last_trade_id"))
        if number is not None and "matches" in self.channels:
            self._told_of[product] = number
        if last is None or told is None or told <= last:
            return 0
        self._last_trade[product] = told
        return told - last

    def _not_subscribed(self, message: Mapping[str, Any]) -> str:
        channels = message.get("channels")
        given = {
            (str(channel.get("name")), product)
            for channel in (channels if isinstance(channels, list) else [])
            if isinstance(channel, dict)
            if isinstance(products := channel.get("product_ids"), list)
            for product in products
            if isinstance(product, str)
        }
        lacking = [
            f"{product} {channel}"
            for channel in self.channels
            for product in self.symbols
            if (channel, product) not in given
        ]
        return f"subscribed, but for {', '.join(lacking)}" if lacking else ""

    def _refused(self, message: Mapping[str, Any]) -> tuple[Sequence[Told], Sequence[str]]:
        text = ": ".join(str(message[k]) for k in ("message", "reason") if message.get(k))
        reason = str(message.get("reason") or "")
        unknown = [symbol for symbol in self.symbols if symbol in reason.split()]
        if unknown:
            self.refused += unknown
            self.symbols = [symbol for symbol in self.symbols if symbol not in unknown]
            notice = f"{text}: left out; the dataset products lists those it has"
            if self.symbols:
                return [Told("error", notice=notice)], [self._subscription()]
            return [Told("error", error=UnknownSymbolError(f"coinbase: {text}"))], ()
        if not self.is_ready and "subscribe" in text.lower():
            return [Told("error", error=TerminalError(f"coinbase: {text}"))], ()
        return [Told("error", error=RetryableError(text or "an error without a text"))], ()

    def _unreadable(self, error: str, frame: str | bytes) -> Told:
        body = frame if isinstance(frame, str) else frame.decode(errors="backslashreplace")
        dataset = DATASET_OF["match" if "matches" in self.channels else "ticker"]
        return Told("unreadable", dataset, Reject(error, body))


def _number(value: object) -> int | None:
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if 0 <= number < NUMBERS_END else None
