"""A local Alpaca that answers over real HTTP as its documentation and users describe.

Data and trading addresses are one server. Bars are kept as the literal JSON text of their objects,
so that a test can follow a number's text from the wire to the lake. Nothing here knows the code
under test; all values are made up.

Sources:
    https://docs.alpaca.markets/reference/stockbars
    https://docs.alpaca.markets/reference/corporateactions-1
    https://docs.alpaca.markets/reference/news-3
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.fake_vendors.server import Asked, FakeVendor, Limit, Reply, message, reply

T = TypeVar("T")

TIMEFRAMES = ("1Min", "5Min", "15Min", "1Hour", "1Day")
FEEDS = ("sip", "iex")
MOST_ROWS, MOST_ACTIONS, MOST_ARTICLES = 10_000, 1000, 50
SIP_DELAY = timedelta(minutes=15)

THROTTLED = message(429, "too many requests.")
UNAUTHORIZED = message(401, "unauthorized.")
FORBIDDEN = message(403, "forbidden.")
NOT_IN_PLAN = message(403, "subscription does not permit querying recent SIP data")

Bars = dict[tuple[str, str, str], dict[str, str]]
"""By feed (`crypto` for pairs), symbol and timeframe: JSON text by start."""


LIMITS = (Limit(200, 60),)
"""Of the Basic plan."""


@dataclass(kw_only=True)
class FakeAlpaca(FakeVendor):
    """The vendor's state, and its own time.

    `known` are symbols without bars that are no mistake. Pages are `rows_per_page` long at most.
    """

    limits: tuple[Limit, ...] = LIMITS
    now: datetime
    key: tuple[str, str]
    bars: Bars = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    articles: list[dict[str, Any]] = field(default_factory=list)
    assets: list[dict[str, Any]] = field(default_factory=list)
    rows_per_page: int = MOST_ROWS

    def fill(
        self, feed: str, symbol: str, timeframe: str, starts: Iterable[datetime]
    ) -> dict[str, str]:
        """Make up a bar for each start and return their text."""
        made = {stamp(start): bar(start) for start in starts}
        self.bars.setdefault((feed, symbol, timeframe), {}).update(made)
        return made

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's error body with its rate headers."""
        del asked, seconds
        headers = {"X-Ratelimit-Limit": str(requests), "X-Ratelimit-Remaining": "0"}
        return replace(THROTTLED, headers=headers)

    def answer(self, asked: Asked) -> Reply:
        """Return what is asked for, or why not."""
        if (asked.header("APCA-API-KEY-ID"), asked.header("APCA-API-SECRET-KEY")) != self.key:
            return UNAUTHORIZED
        match asked.parts:
            case ["v2", "stocks", "bars"]:
                return self._stock_bars(asked.params)
            case ["v1beta3", "crypto", "us", "bars"]:
                return self._bars("crypto", asked.params)
            case _:
                return self._other(asked)

    def _other(self, asked: Asked) -> Reply:
        match asked.parts:
            case ["v1", "corporate-actions"]:
                return self._actions(asked.params)
            case ["v1beta1", "news"]:
                return self._news(asked.params)
            case ["v2", "assets"]:
                wanted = (asked.params["asset_class"], asked.params["status"])
                return reply([it for it in self.assets if (it["class"], it["status"]) == wanted])
            case _:
                return message(404, "endpoint not found.")

    def _stock_bars(self, params: Mapping[str, str]) -> Reply:
        feed = params.get("feed", "sip")
        if feed not in FEEDS or params.get("adjustment") != "raw":
            return message(400, f"invalid feed or adjustment: {dict(params)}")
        if feed == "sip" and datetime.fromisoformat(params["end"]) > self.now - SIP_DELAY:
            return NOT_IN_PLAN
        return self._bars(feed, params)

    def _bars(self, feed: str, params: Mapping[str, str]) -> Reply:
        timeframe, limit = params.get("timeframe"), int(params.get("limit", 1000))
        if timeframe not in TIMEFRAMES:
            return message(400, f"invalid timeframe: {timeframe}")
        if not 1 <= limit <= MOST_ROWS:
            return message(400, "limit must be between 1 and 10000")
        symbols = sorted(params["symbols"].split(","))
        listed = {symbol for of, symbol, _ in self.bars if of == feed} | self.known
        if unknown := [symbol for symbol in symbols if symbol not in listed]:
            return message(400, f"invalid symbol: {unknown[0]}")
        first, last = (datetime.fromisoformat(params[name]) for name in ("start", "end"))
        rows = [
            (symbol, text)
            for symbol in symbols
            for start, text in sorted(self.bars.get((feed, symbol, timeframe), {}).items())
            if first <= datetime.fromisoformat(start) <= min(last, self.now)
        ]
        page, token = _page(rows, params, min(limit, self.rows_per_page))
        texts: dict[str, list[str]] = {}
        for symbol, text in page:
            texts.setdefault(symbol, []).append(text)
        bodies = ",".join(f"{json.dumps(it)}:[{','.join(texts[it])}]" for it in texts)
        return Reply(body=f'{{"bars":{{{bodies}}},"next_page_token":{json.dumps(token)}}}')

    def _actions(self, params: Mapping[str, str]) -> Reply:
        symbols = set(params["symbols"].split(","))
        rows = sorted(
            (
                (action["process_date"], kind, action)
                for kind, actions in self.actions.items()
                for action in actions
                if symbols & {text for name, text in action.items() if name.endswith("symbol")}
                and params["start"] <= action["process_date"] <= params["end"]
            ),
            key=lambda row: row[:2],
        )
        page, token = _page(rows, params, min(int(params["limit"]), self.rows_per_page))
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for _, kind, action in page:
            by_kind.setdefault(kind, []).append(action)
        return reply({"corporate_actions": by_kind, "next_page_token": token})

    def _news(self, params: Mapping[str, str]) -> Reply:
        if int(params.get("limit", 10)) > MOST_ARTICLES:
            return message(400, "limit must be between 1 and 50")
        symbols = set(params["symbols"].split(","))
        first, last = (datetime.fromisoformat(params[name]) for name in ("start", "end"))
        rows = sorted(
            (
                article
                for article in self.articles
                if symbols & set(article["symbols"])
                and first <= datetime.fromisoformat(article["updated_at"]) <= last
            ),
            key=lambda article: article["updated_at"],
        )
        page, token = _page(rows, params, min(int(params["limit"]), self.rows_per_page))
        return reply({"news": page, "next_page_token": token})


def stamp(moment: datetime) -> str:
    """Return a time as the vendor writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def bar(start: datetime) -> str:
    """Return a bar whose numbers are all told apart, many with a trailing zero."""
    number = int(start.timestamp()) // 60
    price, cents = 100 + number % 50, number % 10
    return (
        f'{{"t":"{stamp(start)}","o":{price}.{cents}0,"h":{price + 2}.{cents}0,'
        f'"l":{price - 1}.{cents}0,"c":{price + 1}.{cents}0,"v":{1000 + number % 1000},'
        f'"n":{10 + number % 10},"vw":{price}.{cents}50}}'
    )


def _page(rows: Sequence[T], params: Mapping[str, str], size: int) -> tuple[list[T], str | None]:
    first = int(params.get("page_token", "page-0").removeprefix("page-"))
    after = first + size
    return list(rows[first:after]), f"page-{after}" if after < len(rows) else None
