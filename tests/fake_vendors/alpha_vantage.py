"""A local Alpha Vantage: one address, HTTP 200 for everything, errors as text.

Answers have the documented shapes, with invented values. Nothing here knows the code under test.

Source: https://www.alphavantage.co/documentation/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply

FOOTER = (
    " You may subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to lift"
    " the free key rate limit (25 requests per day) and instantly unlock all premium endpoints"
)
VISIT = "(https://www.alphavantage.co/documentation/)"


def error(text: str, key: str = "Information") -> Fault:
    """Return an error in the vendor's way: a good answer with one key."""
    return Fault(200, json.dumps({key: text}))


BAD_KEY = error(
    "the parameter apikey is invalid or missing. Please claim your free API key", "Error Message"
)
BAD_KEY_AS_INFORMATION = error("the parameter apikey is invalid or missing.")
INVALID_CALL = error(
    f"Invalid API call. Please retry or visit the documentation {VISIT}.", "Error Message"
)
LEGACY_NOTE = error(
    "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and"
    " 500 calls per day. Please visit the premium page to target a higher frequency.",
    "Note",
)
BURST = error(
    "Please consider spreading out your free API requests more sparingly (1 request per second)."
    + FOOTER
)
MINUTE_LEVEL = error(f"Minute-level rate limit exceed. {FOOTER}")
BURST_PATTERN = error(f"Burst pattern detected. {FOOTER}")
PREMIUM_ENDPOINT = error(f"Thank you! This is a premium endpoint.{FOOTER}")
PREMIUM_FEATURE = error(
    f"Thank you! The outputsize=full parameter value is a premium feature.{FOOTER}"
)
DEMO = error("The **demo** API key is for demo purposes only. Please claim your free API key.")
INVALID_INPUTS = error(f"Invalid inputs. Please refer to the API documentation {VISIT}.")
NO_ARTICLES = error(f"No articles found. Please adjust the time range or refer to {VISIT}.")
UNKNOWN = error("Something nobody has seen before.")

SERIES = {
    "TIME_SERIES_INTRADAY": ("equity", ""),
    "TIME_SERIES_DAILY": ("equity", ""),
    "CRYPTO_INTRADAY": ("crypto", "Crypto "),
    "DIGITAL_CURRENCY_DAILY": ("crypto", ""),
    "FX_INTRADAY": ("fx", "FX "),
    "FX_DAILY": ("fx", "FX "),
}
STATEMENTS = ("INCOME_STATEMENT", "BALANCE_SHEET", "CASH_FLOW")
NEWEST = 100


def per_day(key: str) -> Fault:
    """Return the error of a used up day, which repeats the key."""
    return error(
        f"We have detected your API key as {key} and our standard API rate limit is 25 requests per"
        " day. Please subscribe to any of the premium plans at"
        " https://www.alphavantage.co/premium/ to instantly remove all daily rate limits."
    )


LIMITS = (Limit(1, 1), Limit(25, 86400))
"""Of free keys."""


@dataclass(kw_only=True)
class FakeAlphaVantage(FakeVendor):
    """The vendor's state.

    `rows` are a series' values by label, by asset class, symbol (`BTC/USD`) and interval (`daily`,
    `5min`), as the vendor sends them. `is_free` refuses what only paid keys may ask.
    """

    limits: tuple[Limit, ...] = LIMITS
    key: str = "key"
    is_free: bool = False
    rows: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    tables: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    articles: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        params = asked.params
        if params.get("apikey") == "demo":
            return DEMO
        if asked.path != "/query" or params.get("apikey") != self.key:
            return BAD_KEY
        function, symbol = params.get("function", ""), params.get("symbol", "")
        if function in SERIES:
            return self._series(function, params)
        if function == "NEWS_SENTIMENT":
            return self._news(params)
        return self._whole(function, symbol, params)

    def _whole(self, function: str, symbol: str, params: Mapping[str, str]) -> Reply:
        if function == "LISTING_STATUS":
            return _csv(self.tables[function, params.get("state", "active")])
        if function in ("SPLITS", "DIVIDENDS") and params.get("datatype") == "csv":
            return _csv(self.tables.get((function, symbol), "{}"))
        if function == "OVERVIEW" or function in STATEMENTS:
            return Reply(body=json.dumps(self.objects.get((function, symbol), {})))
        return INVALID_CALL

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        del requests
        return BURST if seconds < 86400 else per_day(asked.params.get("apikey", ""))

    def _series(self, function: str, params: Mapping[str, str]) -> Reply:
        asset_class, kind = SERIES[function]
        names = {
            "equity": (params.get("symbol", ""),),
            "crypto": (params.get("symbol", ""), params.get("market", "")),
            "fx": (params.get("from_symbol", ""), params.get("to_symbol", "")),
        }[asset_class]
        is_daily = function.endswith("DAILY")
        interval = "daily" if is_daily else params.get("interval", "")
        rows = self.rows.get((asset_class, "/".join(names), interval))
        if rows is None:
            return INVALID_CALL
        if self.is_free and function == "TIME_SERIES_INTRADAY":
            return PREMIUM_ENDPOINT
        is_full = params.get("outputsize") == "full" or function == "DIGITAL_CURRENCY_DAILY"
        if self.is_free and is_full and function == "TIME_SERIES_DAILY":
            return PREMIUM_FEATURE
        labels = sorted(rows, reverse=True)
        if month := params.get("month"):
            labels = [label for label in labels if label.startswith(month)]
        if not is_full:
            labels = labels[:NEWEST]
        title = "Digital Currency Daily" if function == "DIGITAL_CURRENCY_DAILY" else "Daily"
        key = f"Time Series {kind}({title if is_daily else interval})"
        body = {
            "Meta Data": _meta(asset_class, names, None if is_daily else interval),
            key: {label: rows[label] for label in labels},
        }
        return Reply(body=json.dumps(body))

    def _news(self, params: Mapping[str, str]) -> Reply:
        first, last = f"{params['time_from']}00", f"{params['time_to']}59"
        found = [
            each
            for each in self.articles.get(params["tickers"], [])
            if first <= str(each["time_published"]) <= last
        ]
        found.sort(
            key=lambda each: str(each["time_published"]), reverse=params["sort"] != "EARLIEST"
        )
        found = found[: min(int(params.get("limit", 50)), 1000)]
        if not found:
            return NO_ARTICLES
        return Reply(
            body=json.dumps(
                {
                    "items": str(len(found)),
                    "sentiment_score_definition": "x <= -0.35: Bearish",
                    "relevance_score_definition": "0 < x <= 1",
                    "feed": found,
                }
            )
        )


def _meta(asset_class: str, names: tuple[str, ...], interval: str | None) -> dict[str, str]:
    """Return what is said about a series, in the order and with the numbers of its function."""
    refreshed, size = {"Last Refreshed": "2026-03-09 19:55:00"}, {"Output Size": "Compact"}
    about = {
        "equity": ["Symbol"],
        "crypto": ["Digital Currency Code", "Market Code"],
        "fx": ["From Symbol", "To Symbol"],
    }[asset_class]
    facts: dict[str, str] = {"Information": "Prices", **dict(zip(about, names, strict=True))}
    if asset_class == "fx" and interval is None:
        facts |= size | refreshed
    else:
        facts |= refreshed | ({"Interval": interval} if interval else {})
        facts |= {} if asset_class == "crypto" and interval is None else size
    facts["Time Zone"] = "US/Eastern" if asset_class == "equity" else "UTC"
    return {f"{number}. {key}": value for number, (key, value) in enumerate(facts.items(), 1)}


def _csv(text: str) -> Reply:
    kind = "application/json" if text.startswith("{") else "application/x-download"
    return Reply(body=text, content_type=kind)


def row(*values: str | int) -> dict[str, str | int]:
    """Return open, high, low, close and, but for currencies, volume as a row has them."""
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    return dict(zip(names, values, strict=False))
