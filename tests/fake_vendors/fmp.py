"""A local Financial Modeling Prep, stable API: arrays of objects, and refusals in several ways.

Answers have the documented shapes, with invented values. Nothing here knows the code under test.

Source: https://site.financialmodelingprep.com/developer/docs/stable
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply


def error(status: int, text: str, key: str = "Error Message") -> Fault:
    """Return an error as an object."""
    return Fault(status, json.dumps({key: text}))


def prose(text: str) -> Fault:
    """Return what is not in the plan: no JSON at all."""
    return Fault(402, text, content_type="text/html; charset=utf-8")


BAD_KEY = error(401, "Invalid API KEY. Feel free to create a Free API Key.")
BAD_KEY_IN_A_GOOD_ANSWER = error(200, "Invalid API KEY.")
PREMIUM_PARAMETER = prose("Premium Query Parameter: 'period' is not available under your plan.")
RESTRICTED = prose("Restricted Endpoint: This endpoint is not available under your plan.")
EXCLUSIVE = error(403, "Exclusive Endpoint : This endpoint is not available.")
SPECIAL = error(403, "Special Endpoint : This endpoint is not available.")
LEGACY = error(403, "Legacy Endpoint : Due to Legacy endpoints being no longer supported.")
FORBIDDEN = error(403, "Forbidden")
LIMIT = error(429, "Limit Reach . Please upgrade your plan or visit our documentation.")
LIMIT_IN_A_GOOD_ANSWER = error(200, "Limit Reach . Please upgrade your plan.")
BANDWIDTH = error(429, "Bandwidth Limit Reach . Please upgrade your plan.")
UNKNOWN = error(200, "Something nobody has seen before.", "error")

INTERVALS = ("1min", "5min", "15min", "30min", "1hour", "4hour")
FREE_STATEMENTS = 5


LIMITS = (Limit(250, 86400),)
"""Of free keys."""


@dataclass(kw_only=True)
class FakeFmp(FakeVendor):
    """The vendor's state: rows by path and symbol, newest first whatever their order here.

    `is_free` refuses what only paid keys may ask, by its `today`. Answers hold the newest
    `most_rows` at most.
    """

    limits: tuple[Limit, ...] = LIMITS
    key: str = "key"
    is_free: bool = False
    today: str = "2026-03-10"
    most_rows: int = 1_000_000
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        if self.key not in (asked.header("apikey"), asked.params.get("apikey")):
            return BAD_KEY
        path, params = asked.path.removeprefix("/").removeprefix("stable/"), asked.params
        if self.is_free and path.startswith("historical-chart/"):
            return RESTRICTED
        if self.is_free and self._is_premium(path, params):
            return PREMIUM_PARAMETER
        key = path
        if path.endswith("-statement"):
            key = f"{path}/{params.get('period', 'annual')}"
        if path.startswith("historical-chart/") and params.get("nonadjusted") != "true":
            key = f"{path}/adjusted"
        symbol = params.get("symbol", "")
        if path == "profile" and (path, symbol) not in self.rows:
            known = any(named == symbol for _, named in self.rows)
            return Reply(body=json.dumps([{"symbol": symbol}] if known else []))
        rows = sorted(
            self.rows.get((key, symbol), []),
            key=lambda row: str(row.get("date", "")),
            reverse=True,
        )
        if path.startswith("historical-"):
            first, last = params.get("from", "2021-11-21"), params.get("to", "9999-12-31")
            rows = [row for row in rows if first <= str(row["date"])[:10] <= last]
        if path.endswith("-statement"):
            rows = rows[: int(params.get("limit", FREE_STATEMENTS))]
        return Reply(body=json.dumps(rows[: self.most_rows]))

    def _is_premium(self, path: str, params: Mapping[str, str]) -> bool:
        """Return whether a parameter is beyond a free key: quarters, many, or long ago."""
        five_years_ago = f"{int(self.today[:4]) - 5}{self.today[4:]}"
        is_quarterly = path.endswith("-statement") and params.get("period") == "quarter"
        is_long_ago = params.get("from", five_years_ago) < five_years_ago
        return is_quarterly or is_long_ago or int(params.get("limit", 0)) > FREE_STATEMENTS

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        del asked, requests, seconds
        return LIMIT
