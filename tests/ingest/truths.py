"""What each local vendor has, told apart from how it is asked: what the lake must come to.

A `Truth` is one vendor filled with rows, the questions that bring them, and what the vendor says in
its own words when it refuses. Nothing here lands or asks anything.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.clock import as_utc
from ingest.provider import Request
from ingest.providers.alpaca import Alpaca, AlpacaIex, AlpacaSip
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.providers.binance import Binance
from ingest.providers.coinbase import Coinbase
from ingest.providers.fmp import Fmp
from ingest.providers.kraken import Kraken
from ingest.providers.oanda import Oanda
from ingest.providers.reddit import Reddit
from ingest.providers.sec_edgar import SecEdgar
from ingest.rest import RestProvider
from tests.fake_vendors import (
    alpaca,
    alpha_vantage,
    binance,
    coinbase,
    fmp,
    kraken,
    oanda,
    reddit,
    sec_edgar,
)
from tests.fake_vendors.server import Asked, FakeVendor, Fault, message
from tests.ingest.worlds import at, bars

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = at("2026-03-10T12:34:56")
NEW_YORK = ZoneInfo("America/New_York")
KEY, SECRET = "PLANTED7KEY8OF9ALL", "planted/secret+of=everyone"
EMAIL = "planted.someone@example.org"

Key = tuple[str | None, ...]
"""Provider, dataset, and what tells a row from others: its symbol and time, say."""

Rows = dict[Key, str | None]
"""What stands for the content of a row, by its key."""

Kind = type[RestProvider]


@dataclass(frozen=True)
class Told:
    """Which columns of a dataset tell its rows apart, and which stands for their content.

    Where there are several of the latter, the first that holds something counts.
    """

    by: tuple[str, ...]
    values: tuple[str, ...]


BARS = Told(("_symbol", "_timeframe", "time"), ("close",))


@dataclass(frozen=True)
class Truth:
    """One vendor. `rows` says all it has, `restate` changes some of it.

    `unknown` is asked for, too, though the vendor does not have it. `widen` makes of a question one
    that brings rows beside those asked for. `refusals` are its own words for what passes, and for
    what might be taken for a mistake of ours.
    """

    vendor: FakeVendor
    urls: tuple[str, ...]
    variables: Mapping[str, str]
    wanted: tuple[tuple[Kind, Request], ...]
    unknown: tuple[Kind, Request]
    told: Mapping[str, Told]
    rows: Callable[[], Rows]
    restate: Callable[[], None]
    refusals: tuple[Fault, ...]
    moment: Callable[[str, str], datetime] = lambda _, label: datetime.fromtimestamp(
        int(label), UTC
    )
    widen: Callable[[Asked], Asked] | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the providers that are asked."""
        return tuple(dict.fromkeys(kind for kind, _ in self.wanted))

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables with which providers find the vendor, while it is running."""
        addresses = {f"TAPEHOUSE_{name}_URL": self.vendor.url for name in self.urls}
        return {**self.variables, **addresses, "NO_PROXY": "127.0.0.1"}

    def set_time(self, now: datetime) -> None:
        """Let it be as late for the vendor, where it knows the time."""
        known = getattr(self.vendor, "now", None)
        if known is not None:
            vars(self.vendor)["now"] = now if isinstance(known, datetime) else seconds(now)

    def in_range(self) -> Rows:
        """Return what the vendor has of that which is asked for."""
        return {key: value for key, value in self.rows().items() if self._is_wanted(key)}

    def _is_wanted(self, key: Key) -> bool:
        if key[1] != "bars":
            return True
        provider, _, symbol, timeframe, label = key
        moment = self.moment(str(timeframe), str(label))
        return any(
            (kind.name, request.symbol, request.timeframe) == (provider, symbol, timeframe)
            and request.start is not None
            and request.end is not None
            and request.start <= moment < request.end
            for kind, request in self.wanted
        )


def every(step: timedelta, start: str, count: int) -> list[datetime]:
    return [at(start) + number * step for number in range(count)]


def weekdays(start: str, count: int) -> list[date]:
    days = (at(start).date() + number * DAY for number in range(2 * count))
    return [day for day in days if day.isoweekday() < 6][:count]


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def raised(text: str) -> str:
    """Return another number, as text."""
    return f"{float(text) + 1:.4f}"


def changed(rows: Mapping[Any, str], field: int, newest: int = 40) -> dict[Any, str]:
    """Return JSON rows of which some values are raised."""
    for_change = list(rows)[-newest::7]
    result = {}
    for key in for_change:
        row = json.loads(rows[key], parse_float=str, parse_int=int)
        row[field] = raised(row[field])
        result[key] = json.dumps(row)
    return result


def with_params(asked: Asked, **params: str) -> Asked:
    return replace(asked, params={**asked.params, **params})


def _label(timeframe: str, label: str) -> datetime:
    """Return when a label in New York's time is; a date stands for its midnight in UTC."""
    zone = UTC if timeframe == "1d" else NEW_YORK
    return as_utc(datetime.fromisoformat(label).replace(tzinfo=zone))


def _iso(_: str, label: str) -> datetime:
    return datetime.fromisoformat(label)


def of_coinbase() -> Truth:
    vendor = coinbase.FakeCoinbase(now=seconds(NOW))
    candles = vendor.candles
    first = seconds(at("2026-01-01"))
    vendor.fill("BTC-USD", 3600, first, 900, omitting=[first + 3600 * n for n in (99, 100, 500)])
    vendor.fill("ETH-USD", 86400, seconds(at("2025-06-01")), 200)
    products = [{"id": f"{base}-USD", "status": "online"} for base in ("BTC", "ETH", "DOGE")]
    vendor.products = json.dumps(products)

    def rows() -> Rows:
        found: Rows = {
            ("coinbase", "bars", symbol, {3600: "1h", 86400: "1d"}[length], str(start)): (
                row.strip("[]").split(",")[4].strip(' "')
            )
            for (symbol, length), by_start in candles.items()
            for start, row in by_start.items()
        }
        listed = json.loads(vendor.products)
        return found | {("coinbase", "products", it["id"]): it["status"] for it in listed}

    def restate() -> None:
        candles["BTC-USD", 3600].update(changed(candles["BTC-USD", 3600], 4, newest=200))
        vendor.products = vendor.products.replace("online", "delisted", 1)

    def widen(asked: Asked) -> Asked:
        if "start" not in asked.params:
            return asked
        last = datetime.fromisoformat(asked.params["end"])
        span = 299 * timedelta(seconds=int(asked.params["granularity"]))
        return with_params(asked, start=f"{last - span:%Y-%m-%dT%H:%M:%SZ}")

    return Truth(
        vendor,
        ("COINBASE",),
        {},
        (
            (Coinbase, bars("BTC-USD", "1h", "2026-01-03", "2026-02-07", "crypto")),
            (Coinbase, bars("ETH-USD", "1d", "2025-06-05", "2025-12-01", "crypto")),
            (Coinbase, Request("products")),
        ),
        (Coinbase, bars("NO-SUCH", "1h", "2026-01-03", "2026-01-05", "crypto")),
        {"bars": BARS, "products": Told(("id",), ("status",))},
        rows,
        restate,
        (message(404, "NotFound"), message(400, "start must be before end")),
        widen=widen,
    )


def of_kraken() -> Truth:
    vendor = kraken.FakeKraken(now=seconds(NOW))
    vendor.list_pair("XXBTZUSD", "XBTUSD", "XBT/USD")
    vendor.list_pair("XETHZUSD", "ETHUSD", "ETH/USD")
    vendor.fill("XBTUSD", 1440, seconds(at("2025-05-01")), 300)
    vendor.fill("ETHUSD", 240, seconds(at("2026-02-01")), 200, omitting=[seconds(at("2026-02-04"))])

    def rows() -> Rows:
        found: Rows = {
            ("kraken", "bars", symbol, {240: "4h", 1440: "1d"}[minutes], str(start)): (
                json.loads(row)[4]
            )
            for (symbol, minutes), by_start in vendor.bars.items()
            for start, row in by_start.items()
        }
        return found | {
            ("kraken", "asset_pairs", pair): about["status"] for pair, about in vendor.pairs.items()
        }

    def restate() -> None:
        vendor.bars["XBTUSD", 1440].update(changed(vendor.bars["XBTUSD", 1440], 4))
        vendor.pairs["XETHZUSD"]["status"] = "cancel_only"

    return Truth(
        vendor,
        ("KRAKEN",),
        {},
        (
            (Kraken, bars("XBTUSD", "1d", "2025-06-01", "2026-02-20", "crypto")),
            (Kraken, bars("ETHUSD", "4h", "2026-02-02", "2026-03-02", "crypto")),
            (Kraken, Request("asset_pairs")),
        ),
        (Kraken, bars("NOSUCH", "1h", "2026-03-02", "2026-03-05", "crypto")),
        {"bars": BARS, "asset_pairs": Told(("pair",), ("status",))},
        rows,
        restate,
        (
            kraken.TOO_MANY,
            kraken.UNKNOWN_PAIR,
            kraken.INVALID,
            kraken.error("EAPI:Rate limit exceeded"),
            kraken.error("EService:Unavailable"),
        ),
        widen=lambda asked: with_params(asked, since="0"),
    )


def of_binance() -> Truth:
    vendor = binance.FakeBinance(now=NOW)
    vendor.list_symbol("BTC", "USDT")
    vendor.list_symbol("ETH", "USDT")
    vendor.fill("BTCUSDT", "1h", at("2026-01-01"), 1200, omitting=every(HOUR, "2026-01-20", 30))
    vendor.fill("ETHUSDT", "15m", at("2024-01-31T22:00"), 29 * 96 + 16)
    vendor.publish("ETHUSDT", "15m", "2024-02")

    def rows() -> Rows:
        found: Rows = {
            ("binance", "bars", symbol, interval, str(start)): row[4]
            for (symbol, interval), by_start in vendor.bars.items()
            for start, row in by_start.items()
        }
        listed: list[Any] = vendor.symbols
        return found | {("binance", "products", it["symbol"]): it["status"] for it in listed}

    def restate() -> None:
        for by_start in vendor.bars.values():
            for start in list(by_start)[10:500:7]:
                by_start[start][4] = raised(by_start[start][4])
        vendor.publish("ETHUSDT", "15m", "2024-02")
        listed: list[Any] = vendor.symbols
        listed[1]["status"] = "BREAK"

    def widen(asked: Asked) -> Asked:
        if "startTime" not in asked.params:
            return asked
        return with_params(asked, startTime=str(int(asked.params["startTime"]) - 7_200_000))

    return Truth(
        vendor,
        ("BINANCE", "BINANCE_ARCHIVE"),
        {},
        (
            (Binance, bars("BTCUSDT", "1h", "2026-01-03", "2026-02-18", "crypto")),
            (Binance, bars("ETHUSDT", "15m", "2024-02-01", "2024-03-01", "crypto")),
            (Binance, Request("products")),
        ),
        (Binance, bars("NOSUCH", "1h", "2026-01-03", "2026-01-05", "crypto")),
        {
            "bars": Told(("_symbol", "_timeframe", "open_time"), ("close",)),
            "products": Told(("symbol",), ("status",)),
        },
        rows,
        restate,
        (
            binance.TOO_MANY,
            binance.INVALID_SYMBOL,
            binance.RESTRICTED,
            binance.error(418, -1003, "Way too much request weight used.", Retry_After="600"),
        ),
        lambda _, label: datetime.fromtimestamp(int(label) / 1000, UTC),
        widen,
    )


def of_oanda() -> Truth:
    instruments = [{"name": "EUR_USD", "type": "CURRENCY", "displayName": "EUR/USD"}]
    vendor = oanda.FakeOanda(now=NOW, token=SECRET, accounts={"101-1": instruments})
    days = [each for each in weekdays("2026-02-02", 20) if each.isoweekday() < 5]
    hours = [
        as_utc(datetime(d.year, d.month, d.day, n, tzinfo=UTC)) for d in days for n in (3, 9, 15)
    ]
    vendor.fill("EUR_USD", "H1", hours)
    vendor.fill("EUR_USD", "D", [oanda.day_cut(day - DAY) for day in weekdays("2026-01-05", 40)])

    def rows() -> Rows:
        names = {"H1": "1h", "D": "1d"}
        found: Rows = {
            ("oanda", "bars", symbol, names[granularity], told["time"]): told["mid"]["c"]
            for (symbol, granularity), starts in vendor.candles.items()
            for told in (vendor._candle(start, granularity, "MBA") for start in starts)
        }
        listed = vendor.accounts["101-1"]
        return found | {("oanda", "instruments", it["name"]): it["displayName"] for it in listed}

    def restate() -> None:
        starts = sorted(vendor.candles["EUR_USD", "H1"])
        vendor.closes |= dict.fromkeys(starts[5:20:3], "1.99999")
        vendor.accounts["101-1"][0]["displayName"] = "EUR/USD (new)"

    def moment(timeframe: str, label: str) -> datetime:
        start = datetime.fromisoformat(label)
        return start + 2 * HOUR if timeframe == "1d" else start  # 17:00 in New York's winter

    def widen(asked: Asked) -> Asked:
        if "from" not in asked.params:
            return asked
        start = datetime.fromisoformat(asked.params["from"]) - 2 * DAY
        return with_params(asked, **{"from": f"{start:%Y-%m-%dT%H:%M:%SZ}"})

    return Truth(
        vendor,
        ("OANDA",),
        {"OANDA_API_TOKEN": SECRET},
        (
            (Oanda, bars("EUR_USD", "1h", "2026-02-03", "2026-02-20", "fx")),
            (Oanda, bars("EUR_USD", "1d", "2026-01-07", "2026-02-20", "fx")),
            (Oanda, Request("instruments")),
        ),
        (Oanda, bars("NO_SUCH", "1h", "2026-02-03", "2026-02-05", "fx")),
        {
            "bars": Told(("_symbol", "_timeframe", "time"), ("mid_close",)),
            "instruments": Told(("name",), ("display_name",)),
        },
        rows,
        restate,
        (oanda.THROTTLED, oanda.UNKNOWN, oanda.UNAUTHORIZED, oanda.FUTURE),
        moment,
        widen,
    )


def of_fmp() -> Truth:  # noqa: C901 - one kind of row after the other
    vendor = fmp.FakeFmp(key=KEY)
    daily, minutes = "historical-price-eod/non-split-adjusted", "historical-chart/5min"
    vendor.rows[daily, "AAPL"] = [
        {"symbol": "AAPL", "date": f"{day}", "adjClose": f"{100 + n % 9}.{n % 10}0", "volume": n}
        for n, day in enumerate(weekdays("2024-05-01", 300))
    ]
    vendor.rows[minutes, "AAPL"] = [
        {"date": f"{day} {clock}:00", "close": f"{n}.50", "volume": 7}
        for n, day in enumerate(weekdays("2026-02-02", 12))
        for clock in ("09:30", "12:00", "15:55")
    ]
    vendor.rows["splits", "AAPL"] = [
        {"symbol": "AAPL", "date": day, "numerator": "4", "denominator": 1}
        for day in ("2014-06-09", "2020-08-31")
    ]
    for period, label in (("annual", "FY"), ("quarter", "Q1")):
        vendor.rows[f"income-statement/{period}", "AAPL"] = [
            {"symbol": "AAPL", "date": f"202{n}-09-27", "period": label, "revenue": n}
            for n in (3, 4)
        ]
    vendor.rows["profile", "AAPL"] = [{"symbol": "AAPL", "companyName": "Apple Inc."}]

    def rows() -> Rows:
        found: Rows = {}
        for (path, symbol), kept in vendor.rows.items():
            for row in kept:
                if path == daily:
                    found["fmp", "bars", symbol, "1d", row["date"]] = row["adjClose"]
                elif path == minutes:
                    found["fmp", "bars", symbol, "5m", row["date"]] = row["close"]
                elif path == "splits":
                    found["fmp", "splits", symbol, row["date"]] = row["numerator"]
                elif path == "profile":
                    found["fmp", "company_profiles", symbol] = row["companyName"]
                else:
                    key = ("fmp", "income_statements", symbol, row["date"], row["period"])
                    found[key] = f'{{"revenue":{row["revenue"]}}}'
        return found

    def restate() -> None:
        for path, name in ((daily, "adjClose"), (minutes, "close"), ("splits", "numerator")):
            kept = vendor.rows[path, "AAPL"]
            vendor.rows[path, "AAPL"] = [
                row | {name: raised(row[name])} if n % 5 == 1 else row for n, row in enumerate(kept)
            ]

    def widen(asked: Asked) -> Asked:
        return with_params(asked, **{"from": "2024-01-01"}) if "from" in asked.params else asked

    return Truth(
        vendor,
        ("FMP",),
        {"FMP_API_KEY": KEY, "TAPEHOUSE_FMP_PER_MINUTE": "300"},
        (
            (Fmp, bars("AAPL", "1d", "2024-05-03", "2025-06-02")),
            (Fmp, bars("AAPL", "5m", "2026-02-03", "2026-02-13")),
            (Fmp, Request("splits", "AAPL")),
            (Fmp, Request("income_statements", "AAPL")),
            (Fmp, Request("company_profiles", "AAPL")),
        ),
        (Fmp, Request("company_profiles", "NOSUCH")),
        {
            "bars": Told(("_symbol", "_timeframe", "date"), ("adj_close", "close")),
            "splits": Told(("_symbol", "date"), ("numerator",)),
            "income_statements": Told(("_symbol", "date", "period"), ("items",)),
            "company_profiles": Told(("_symbol",), ("company_name",)),
        },
        rows,
        restate,
        (
            fmp.BAD_KEY,
            fmp.BAD_KEY_IN_A_GOOD_ANSWER,
            fmp.LIMIT,
            fmp.LIMIT_IN_A_GOOD_ANSWER,
            fmp.RESTRICTED,
            fmp.EXCLUSIVE,
            fmp.UNKNOWN,
        ),
        _label,
        widen,
    )


def of_alpha_vantage() -> Truth:  # noqa: C901 - one kind of row after the other
    vendor = alpha_vantage.FakeAlphaVantage(key=KEY)
    row = alpha_vantage.row
    vendor.rows["equity", "IBM", "daily"] = {
        f"{day}": row("10.0", "11.0", "9.0", f"{n}.50", "100")
        for n, day in enumerate(weekdays("2025-06-02", 190))
    }
    vendor.rows["equity", "IBM", "5min"] = {
        f"{day} {clock}:00": row("10.0", "11.0", "9.0", f"{n}.25", "100")
        for n, day in enumerate(weekdays("2026-01-26", 15))
        for clock in ("09:30", "15:55")
    }
    vendor.rows["crypto", "BTC/USD", "daily"] = {
        f"{day:%Y-%m-%d}": row("10.0", "11.0", "9.0", f"{n}.75", "1.5")
        for n, day in enumerate(every(DAY, "2026-01-01", 40))
    }
    vendor.tables["SPLITS", "IBM"] = (
        "effective_date,split_factor\n2021-11-04,1.0460\n1999-05-27,2.0000\n"
    )
    header = "symbol,name,exchange,assetType,ipoDate,delistingDate,status\n"
    vendor.tables["LISTING_STATUS", "active"] = (
        f'{header}IBM,"IBM, the company",NYSE,Stock,1962-01-02,null,Active\n'
        "MSFT,Microsoft,NASDAQ,Stock,1986-03-13,null,Active\n"
    )
    vendor.tables["LISTING_STATUS", "delisted"] = (
        f"{header}OLD,Old Inc,NYSE,Stock,1999-01-04,2020-06-30,Delisted\n"
        "OLDER,Older Inc,NYSE,Stock,1989-01-03,2010-06-30,Delisted\n"
    )
    reports = [{"fiscalDateEnding": f"202{n}-12-31", "a": f"{n}.50"} for n in (3, 4)]
    vendor.objects["INCOME_STATEMENT", "IBM"] = {
        "symbol": "IBM",
        "annualReports": reports,
        "quarterlyReports": reports,
    }
    vendor.objects["OVERVIEW", "IBM"] = {"Symbol": "IBM", "Name": "IBM Corp", "PERatio": "7.5"}
    vendor.articles["IBM"] = [
        {
            "url": f"https://example.org/{n}",
            "title": f"Article {n}",
            "time_published": f"202603{1 + n % 7:02}T1200{n:02}",
        }
        for n in range(20)
    ]
    splits = {"2021-11-04": "1.0460", "1999-05-27": "2.0000"}
    listings = {
        "IBM": "IBM, the company",
        "MSFT": "Microsoft",
        "OLD": "Old Inc",
        "OLDER": "Older Inc",
    }

    def rows() -> Rows:
        found: Rows = {}
        names = {"daily": "1d", "5min": "5m"}
        for (_, symbol, interval), series in vendor.rows.items():
            for label, values in series.items():
                found["alpha_vantage", "bars", symbol, names[interval], label] = values["4. close"]
        for day, factor in splits.items():
            found["alpha_vantage", "splits", "IBM", day] = factor
        for symbol, name in listings.items():
            found["alpha_vantage", "listings", symbol] = name
        for period in ("annual", "quarterly"):
            for each in vendor.objects["INCOME_STATEMENT", "IBM"][f"{period}Reports"]:
                key = ("alpha_vantage", "income_statements", period, each["fiscalDateEnding"])
                found[key] = f'{{"a":"{each["a"]}"}}'
        name = vendor.objects["OVERVIEW", "IBM"]["Name"]
        found["alpha_vantage", "company_overviews", "IBM", "IBM"] = name
        for each in vendor.articles["IBM"]:
            found["alpha_vantage", "news_sentiment", each["url"]] = each["title"]
        return found

    def restate() -> None:
        for series in vendor.rows.values():
            for label in list(series)[3:100:7]:
                close = str(series[label]["4. close"])
                series[label] = {**series[label], "4. close": raised(close)}
        splits["1999-05-27"] = "4.0000"
        table = vendor.tables["SPLITS", "IBM"]
        vendor.tables["SPLITS", "IBM"] = table.replace("2.0000", "4.0000")
        vendor.objects["OVERVIEW", "IBM"] = {"Symbol": "IBM", "Name": "IBM Holdings"}

    def widen(asked: Asked) -> Asked:
        params = {k: v for k, v in asked.params.items() if k != "month"}
        return replace(asked, params={**params, "outputsize": "full"})

    return Truth(
        vendor,
        ("ALPHA_VANTAGE",),
        {"ALPHA_VANTAGE_API_KEY": KEY},
        (
            (AlphaVantage, bars("IBM", "1d", "2025-06-04", "2026-02-12")),
            (AlphaVantage, bars("IBM", "5m", "2026-01-27", "2026-02-12")),
            (AlphaVantage, bars("BTC/USD", "1d", "2026-01-03", "2026-02-07", "crypto")),
            (AlphaVantage, Request("splits", "IBM")),
            (AlphaVantage, Request("listings")),
            (AlphaVantage, Request("income_statements", "IBM")),
            (AlphaVantage, Request("company_overviews", "IBM")),
            (
                AlphaVantage,
                Request("news_sentiment", "IBM", None, at("2026-03-01"), at("2026-03-08")),
            ),
        ),
        (AlphaVantage, bars("NOSUCH", "1d", "2026-01-05", "2026-02-01")),
        {
            "bars": BARS,
            "splits": Told(("_symbol", "effective_date"), ("split_factor",)),
            "listings": Told(("symbol",), ("name",)),
            "income_statements": Told(("period_type", "fiscal_date_ending"), ("items",)),
            "company_overviews": Told(("_symbol", "symbol"), ("name",)),
            "news_sentiment": Told(("url",), ("title",)),
        },
        rows,
        restate,
        (
            alpha_vantage.BAD_KEY,
            alpha_vantage.BAD_KEY_AS_INFORMATION,
            alpha_vantage.INVALID_CALL,
            alpha_vantage.LEGACY_NOTE,
            alpha_vantage.BURST,
            alpha_vantage.MINUTE_LEVEL,
            alpha_vantage.PREMIUM_ENDPOINT,
            alpha_vantage.UNKNOWN,
            alpha_vantage.per_day(KEY),
        ),
        _label,
        widen,
    )


def of_alpaca() -> Truth:  # noqa: C901 - one kind of row after the other
    vendor = alpaca.FakeAlpaca(now=NOW, key=(KEY, SECRET), rows_per_page=40)
    sessions = [
        datetime(day.year, day.month, day.day, 5, tzinfo=UTC) for day in weekdays("2025-11-03", 85)
    ]
    minutes = every(MINUTE, "2026-03-02T14:30", 90)
    vendor.fill("sip", "AAPL", "1Day", sessions)
    vendor.fill("sip", "MSFT", "1Day", sessions[10:])
    vendor.fill("sip", "AAPL", "1Min", minutes)
    vendor.fill("iex", "AAPL", "1Day", sessions[5:])
    vendor.fill("crypto", "BTC/USD", "1Hour", every(HOUR, "2026-02-01", 300))
    vendor.actions["cash_dividends"] = [
        {"id": f"d{n}", "symbol": "AAPL", "rate": 0.25 + n, "process_date": f"2026-01-{1 + n:02}"}
        for n in range(3)
    ]
    vendor.actions["forward_splits"] = [
        {"id": "s1", "symbol": "AAPL", "rate": 4, "process_date": "2026-01-20"}
    ]
    vendor.articles = [
        {
            "id": n,
            "headline": f"Article {n}",
            "symbols": ["AAPL"],
            "created_at": alpaca.stamp(at("2026-03-01")),
            "updated_at": alpaca.stamp(at("2026-03-01") + n * HOUR),
        }
        for n in range(60)
    ]
    vendor.assets = [
        {"id": f"i-{symbol}", "class": kind, "symbol": symbol, "status": status}
        for symbol, kind, status in (
            ("AAPL", "us_equity", "active"),
            ("OLD", "us_equity", "inactive"),
            ("BTC/USD", "crypto", "active"),
        )
    ]
    providers = {"sip": "alpaca_sip", "iex": "alpaca_iex", "crypto": "alpaca"}
    names = {"1Day": "1d", "1Min": "1m", "1Hour": "1h"}

    def rows() -> Rows:
        found: Rows = {}
        for (feed, symbol, timeframe), texts in vendor.bars.items():
            for start, text in texts.items():
                key = (providers[feed], "bars", symbol, names[timeframe], start)
                found[key] = str(json.loads(text, parse_float=str)["c"])
        for actions in vendor.actions.values():
            for each in actions:
                found["alpaca", "corporate_actions", each["id"]] = str(each["rate"])
        for each in vendor.articles:
            found["alpaca", "news", str(each["id"])] = each["headline"]
        for each in vendor.assets:
            found["alpaca", "assets", each["id"]] = each["status"]
        return found

    def restate() -> None:
        for texts in vendor.bars.values():
            for start in list(texts)[5:80:9]:
                close = json.loads(texts[start], parse_float=str)["c"]
                texts[start] = texts[start].replace(f'"c":{close}', f'"c":{raised(close)}')
        vendor.articles[7] |= {"headline": "Corrected"}
        vendor.actions["forward_splits"][0] |= {"rate": 5}

    def widen(asked: Asked) -> Asked:
        return (
            with_params(asked, start="2025-01-01T00:00:00Z") if "start" in asked.params else asked
        )

    return Truth(
        vendor,
        ("ALPACA", "ALPACA_SIP", "ALPACA_IEX", "ALPACA_TRADING"),
        {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET},
        (
            (AlpacaSip, bars("AAPL", "1d", "2025-11-05", "2026-02-20")),
            (AlpacaSip, bars("MSFT", "1d", "2025-11-05", "2026-02-20")),
            (AlpacaSip, bars("AAPL", "1m", "2026-03-02", "2026-03-03")),
            (AlpacaIex, bars("AAPL", "1d", "2025-11-05", "2026-02-20")),
            (Alpaca, bars("BTC/USD", "1h", "2026-02-02", "2026-02-12", "crypto")),
            (
                Alpaca,
                Request("corporate_actions", "AAPL", None, at("2026-01-01"), at("2026-02-01")),
            ),
            (Alpaca, Request("news", "AAPL", None, at("2026-03-01"), at("2026-03-05"))),
            (Alpaca, Request("assets")),
        ),
        (AlpacaSip, bars("NOSUCH", "1d", "2025-11-05", "2026-02-20")),
        {
            "bars": BARS,
            "corporate_actions": Told(("id",), ("rate",)),
            "news": Told(("id",), ("headline",)),
            "assets": Told(("id",), ("status",)),
        },
        rows,
        restate,
        (
            alpaca.THROTTLED,
            alpaca.UNAUTHORIZED,
            alpaca.FORBIDDEN,
            alpaca.NOT_IN_PLAN,
            message(400, "invalid symbol: AAPL"),
        ),
        _iso,
        widen,
    )


def of_sec_edgar() -> Truth:
    vendor = sec_edgar.FakeSecEdgar(
        companies=[
            (320193, "Apple Inc.", "AAPL", "Nasdaq"),
            (51143, "IBM", "IBM", "NYSE"),
            (1, "Nowhere Listed Fund", "NLFX", None),
        ]
    )
    values = {
        (symbol, concept, f"000-{n}"): f"{n + 1}{len(concept)}.50"
        for symbol in ("AAPL", "IBM")
        for concept in ("Assets", "NetIncomeLoss")
        for n in range(6)
    }
    ciks = {"AAPL": 320193, "IBM": 51143}

    def file() -> None:
        for symbol, cik in ciks.items():
            concepts: dict[tuple[str, str, str], list[str]] = {}
            for (of, concept, accn), value in values.items():
                if of == symbol:
                    told = sec_edgar.fact("2024-09-30", value, accn, "2024-11-01")
                    concepts.setdefault(("us-gaap", concept, "USD"), []).append(told)
            vendor.facts[cik] = sec_edgar.company_facts(f"{cik}", symbol, concepts)

    file()

    def rows() -> Rows:
        found: Rows = {("sec_edgar", "company_facts", *key): value for key, value in values.items()}
        return found | {
            ("sec_edgar", "companies", str(it[2])): str(it[1]) for it in vendor.companies
        }

    def restate() -> None:
        for key in list(values)[::5]:
            values[key] = raised(values[key])
        vendor.companies[0] = (320193, "Apple Holdings", "AAPL", "Nasdaq")
        file()

    return Truth(
        vendor,
        ("SEC_EDGAR", "SEC_EDGAR_DATA"),
        {"SEC_EDGAR_EMAIL": EMAIL},
        (
            (SecEdgar, Request("companies")),
            (SecEdgar, Request("company_facts", "AAPL")),
            (SecEdgar, Request("company_facts", "IBM")),
        ),
        (SecEdgar, Request("company_facts", "NOSUCH")),
        {
            "companies": Told(("ticker",), ("name",)),
            "company_facts": Told(("_symbol", "concept", "accn"), ("val",)),
        },
        rows,
        restate,
        (
            sec_edgar.TOO_FAST,
            sec_edgar.UNDECLARED,
            Fault(404, sec_edgar.NO_SUCH_KEY.body, content_type="application/xml"),
        ),
    )


def of_reddit() -> Truth:
    vendor = reddit.FakeReddit(client_id=KEY, client_secret=SECRET)
    vendor.posts["stocks"] = [reddit.post(n) for n in range(250, 0, -1)]
    vendor.posts["options"] = [
        reddit.post(n, "options", id=f"o{n}", name=f"t3_o{n}") for n in range(30, 0, -1)
    ]

    def rows() -> Rows:
        return {
            ("reddit", "posts", subreddit, post["id"]): str(post["score"])
            for subreddit, posts in vendor.posts.items()
            for post in posts
        }

    def restate() -> None:
        for post in vendor.posts["stocks"][::9]:
            post["score"] += 100

    return Truth(
        vendor,
        ("REDDIT", "REDDIT_TOKEN"),
        {"REDDIT_CLIENT_ID": KEY, "REDDIT_CLIENT_SECRET": SECRET},
        ((Reddit, Request("posts", "stocks")), (Reddit, Request("posts", "options"))),
        (Reddit, Request("posts", "nosuch")),
        {"posts": Told(("_symbol", "id"), ("score",))},
        rows,
        restate,
        (
            reddit.too_many(x_ratelimit_remaining="0.0", x_ratelimit_reset="300"),
            reddit.too_many(),
            Fault(401, '{"message": "Unauthorized", "error": 401}'),
            Fault(403, '{"reason": "private", "message": "Forbidden", "error": 403}'),
            Fault(404, '{"message": "Not Found", "error": 404}'),
        ),
    )


TRUTHS: Mapping[str, Callable[[], Truth]] = {
    "coinbase": of_coinbase,
    "kraken": of_kraken,
    "binance": of_binance,
    "oanda": of_oanda,
    "fmp": of_fmp,
    "alpha_vantage": of_alpha_vantage,
    "alpaca": of_alpaca,
    "sec_edgar": of_sec_edgar,
    "reddit": of_reddit,
}
