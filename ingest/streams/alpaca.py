"""Alpaca's market-data WebSocket: minute bars and their updates, trades and corrections, quotes.

Sources:
    https://docs.alpaca.markets/docs/streaming-market-data
    https://docs.alpaca.markets/docs/real-time-stock-pricing-data
    https://docs.alpaca.markets/docs/real-time-crypto-pricing-data

A frame is an array of messages whose kind is `T`; `t` is a time, but in `T` a trade. A correction
(`c`) and a cancellation (`x`) lie in the dataset of the trades they concern, and an updated bar
(`u`) in that of the bars, so that SQL sees the order they came in. Nothing is numbered: what is
missed is known from disconnections and from the vendor saying that we are too slow (407).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.provider import (
    AccessError,
    Dataset,
    EntitlementError,
    ProviderError,
    Reject,
    RetryableError,
    TerminalError,
    fields,
)
from ingest.records import decode_json, encode_json
from ingest.settings import Environment
from ingest.streams.runner import BusyError, Told, is_name

URL = "wss://stream.data.alpaca.markets"
FEEDS: Mapping[str, tuple[str, str, str]] = {
    "iex": ("alpaca_iex", "equity", "/v2/iex"),
    "sip": ("alpaca_sip", "equity", "/v2/sip"),
    "crypto": ("alpaca", "crypto", "/v1beta3/crypto/us"),
}
"""By feed: the lake's provider, the asset class and the path."""

CHANNELS = ("bars", "updatedBars", "trades", "quotes")
CHANNEL_LIMIT = 30
DATASETS: Mapping[str, Dataset] = {
    "trades": Dataset(
        "trades",
        fields(
            message_type="T",
            stream_symbol="S",
            time="t",
            trade_id="i",
            exchange="x",
            price="p",
            size="s",
            conditions="c",
            tape="z",
            taker_side="tks",
            cancel_action="a",
            original_trade_id="oi",
            original_price="op",
            original_size="os",
            original_conditions="oc",
            corrected_trade_id="ci",
            corrected_price="cp",
            corrected_size="cs",
            corrected_conditions="cc",
        ),
    ),
    "quotes": Dataset(
        "quotes",
        fields(
            message_type="T",
            stream_symbol="S",
            time="t",
            bid_exchange="bx",
            bid_price="bp",
            bid_size="bs",
            ask_exchange="ax",
            ask_price="ap",
            ask_size="as",
            conditions="c",
            tape="z",
        ),
    ),
}
DATASET_OF = {
    "b": "bars",
    "u": "bars",
    "t": "trades",
    "c": "trades",
    "x": "trades",
    "q": "quotes",
}
KINDS = {
    "b": "bar",
    "u": "updated_bar",
    "t": "trade",
    "c": "correction",
    "x": "cancellation",
    "q": "quote",
}
SECRET_NAMES = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


class AlpacaFeed:
    """One feed of market data; `bars` is the dataset that REST lands in, too."""

    has_heartbeats = False

    def __init__(
        self,
        feed: str,
        symbols: Sequence[str],
        channels: Sequence[str] = (),
        environment: Environment | None = None,
        *,
        bars: Dataset,
    ) -> None:
        if feed not in FEEDS:
            raise TerminalError(f"alpaca has no feed {feed!r}; choose of {', '.join(FEEDS)}")
        environment = environment or Environment()
        self.provider, self.asset_class, path = FEEDS[feed]
        self.url = environment.url("alpaca_stream", URL) + path
        self.datasets: Mapping[str, Dataset] = {"bars": bars, **DATASETS}
        self.channels = tuple(channels) or CHANNELS[:2]
        if unknown := set(self.channels) - set(CHANNELS):
            raise TerminalError(
                f"alpaca has no channel {', '.join(sorted(unknown))}; choose of"
                f" {', '.join(CHANNELS)}"
            )
        self.refused: list[str] = []
        self.is_ready = False
        self._wanted = list(dict.fromkeys(symbols))
        self._seen: dict[str, None] = {}
        self._key, self._secret = self.secrets = tuple(map(environment.secret, SECRET_NAMES))
        if not all(self.secrets):
            raise AccessError(
                f"alpaca needs {' and '.join(SECRET_NAMES)}: set them in the environment or in .env"
            )

    @property
    def takes_all(self) -> bool:
        """Return whether `*` was asked for."""
        return "*" in self._wanted

    @property
    def symbols(self) -> Sequence[str]:
        """Return the symbols asked for; of `*`, those that were seen."""
        named = [symbol for symbol in self._wanted if symbol != "*"]
        return list(dict.fromkeys([*named, *self._seen])) if self.takes_all else named

    def connected(self) -> Sequence[str]:
        """Begin a new connection, on which the vendor speaks first."""
        self.is_ready = False
        return ()

    def read(self, frame: str | bytes) -> tuple[Sequence[Told], Sequence[str]]:
        """Return the messages of a frame, and the next step of logging in."""
        try:
            messages = decode_json(frame)
        except ValueError as error:
            return [self._unreadable(f"not JSON: {error}", _text(frame))], ()
        if not isinstance(messages, list):
            return [self._unreadable("expected an array", _text(frame))], ()
        told: list[Told] = []
        replies: list[str] = []
        for message in messages:
            if not isinstance(message, dict):
                told.append(self._unreadable("expected an object", encode_json(message)))
                continue
            told.append(self._told(message))
            replies += self._replies(message)
        return told, replies

    def _told(self, message: Mapping[str, Any]) -> Told:
        kind, symbol = str(message.get("T")), message.get("S")
        if kind in DATASET_OF and not is_name(symbol):
            return self._unreadable("a symbol that is none", encode_json(message))
        if kind in DATASET_OF and is_name(symbol):
            self._seen[symbol] = None
            dataset = DATASET_OF[kind]
            timeframe = "1m" if dataset == "bars" else None
            return Told(KINDS[kind], dataset, message, symbol, timeframe)
        if kind == "success":
            return Told(kind)
        if kind == "subscription":
            self.is_ready = True
            return Told(kind, notice=self._not_subscribed(message))
        if kind == "error":
            return self._error(message)
        return self._unreadable("a message of unknown kind", encode_json(message))

    def _replies(self, message: Mapping[str, Any]) -> Sequence[str]:
        if message.get("T") == "success" and message.get("msg") == "connected":
            return [json.dumps({"action": "auth", "key": self._key, "secret": self._secret})]
        if message.get("T") == "success" and message.get("msg") == "authenticated":
            wanted = dict.fromkeys(self.channels, self._wanted)
            return [json.dumps({"action": "subscribe", **wanted})]
        return ()

    def _not_subscribed(self, message: Mapping[str, Any]) -> str:
        given = {
            channel: symbols if isinstance(symbols := message.get(channel), list) else []
            for channel in self.channels
        }
        lacking = [
            f"{symbol} {channel}"
            for channel in self.channels
            for symbol in self._wanted
            if symbol not in given[channel]
        ]
        return f"subscribed, but for {', '.join(lacking)}" if lacking else ""

    def _error(self, message: Mapping[str, Any]) -> Told:
        """Return what an error means; 403 means nothing, and 407 only that messages are missing."""
        code = str(message.get("code"))
        text = f"alpaca: {message.get('msg')} ({code})"
        if code == "403":
            return Told("error", notice=text)
        if code == "407":
            return Told("slow_client", notice=f"{text}: messages were left out", is_gap=True)
        return Told("error", error=self._errors(text).get(code) or RetryableError(text))

    def _errors(self, text: str) -> Mapping[str, ProviderError]:
        return {
            "400": TerminalError(text),
            "401": AccessError(text),
            "402": AccessError(f"{text}: check {' and '.join(SECRET_NAMES)}"),
            "404": RetryableError(text),
            "405": EntitlementError(
                f"{text}: ask for fewer symbols; the free plan has {CHANNEL_LIMIT} channels of"
                " trades and quotes together, and no limit on bars"
            ),
            "406": BusyError(f"{text}: another stream with this key is open; end it"),
            "408": EntitlementError(f"{text}: the key may not use this stream"),
            "409": EntitlementError(f"{text}: this feed needs another plan; try --feed iex"),
            "410": TerminalError(
                f"{text}: this feed lacks a channel of {', '.join(self.channels)}"
            ),
        }

    def _unreadable(self, error: str, body: str) -> Told:
        datasets = {"updatedBars": "bars"}
        first = self.channels[0]
        return Told("unreadable", datasets.get(first, first), Reject(error, body))


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode(errors="backslashreplace")
