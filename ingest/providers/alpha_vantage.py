"""Alpha Vantage: bars of stocks, crypto and currencies, corporate actions, statements, news.

Sources:
    https://www.alphavantage.co/documentation/
    https://www.alphavantage.co/premium/

One address answers everything, by `function`, and answers HTTP 200 whatever is wrong: `classify`
reads what is meant from the text. Keys such as `4. close` are matched by the text after the number,
because the same number means something else in another function. Bars are always the raw ones
(`TIME_SERIES_DAILY`, and intraday with `adjusted=false`), never the vendor's adjusted series.

The vendor cannot be asked for a range: it answers with a month, the newest 100 rows, or everything.
Days of currencies (`FX_DAILY`) are not asked for: they are days of UTC, which end two or three
hours after the sessions they would be taken for, those from 17:00 to 17:00 in New York. Their
closes would be used before they were known, and beside those of vendors that keep to sessions.

What lies outside the asked range is left out, or each run would land years again; a row whose time
cannot be read is landed, and SQL says what is wrong with it.

Free keys have 25 requests a day and 1 a second: of ranges, the newest end is then asked for again
only when its answer is most of a day old, which is how often what they may ask changes. Set
`TAPEHOUSE_ALPHA_VANTAGE_PER_MINUTE` to what a paid plan allows (75, 150, 300, 600 or 1200).
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from ingest.answers import Found, an_object, array, moment
from ingest.http import Policy, RateLimit
from ingest.plans import next_new_york_midnight, paid_per_minute
from ingest.provider import (
    TIMEFRAMES,
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    ProviderError,
    QuotaSpentError,
    Record,
    Reject,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
    fields,
)
from ingest.rest import Lookup, RestProvider, ceil, floor, range_of, symbol_of, timeframe_of
from ingest.symbols import PAIRS, Spelling

KEY = "ALPHA_VANTAGE_API_KEY"
PATH = "/query"
DAY = timedelta(days=1)

INTERVALS = {"1m": "1min", "5m": "5min", "15m": "15min", "1h": "60min"}
INTRADAY = {
    "equity": "TIME_SERIES_INTRADAY",
    "crypto": "CRYPTO_INTRADAY",
    "fx": "FX_INTRADAY",
}
DAILY = {
    "equity": "TIME_SERIES_DAILY",
    "crypto": "DIGITAL_CURRENCY_DAILY",
}
SYMBOL_PARAMS = {
    "equity": ("symbol",),
    "crypto": ("symbol", "market"),
    "fx": ("from_symbol", "to_symbol"),
}
SYMBOL_NAMES = {
    "equity": ("Symbol",),
    "crypto": ("Digital Currency Code", "Market Code"),
    "fx": ("From Symbol", "To Symbol"),
}
NUMBER = re.compile(r"^\d+\w?\. ")
ZONES = {"equity": ZoneInfo("America/New_York"), "crypto": ZoneInfo("UTC"), "fx": ZoneInfo("UTC")}

# A compact answer has the newest 100 rows: 20 weeks of weekdays, today included.
COMPACT_ROWS = 100
COMPACT = {"equity": 139 * DAY}
# There is no way to ask for older ones: crypto by day has about 350 rows, and of pairs within the
# day a full answer has 30 days.
FARTHEST_DAILY = {"crypto": 340 * DAY}
FARTHEST_INTRADAY = {"crypto": 29 * DAY, "fx": 29 * DAY}
# The longest time without a price is a weekend with holidays at both of its ends.
LONGEST_PAUSE = 4 * DAY

NEWS_LIMIT = 1000
MINUTE = timedelta(minutes=1)

# The row of a day of crypto is written at midnight UTC and then stands still: all day long it holds
# a fraction of a per cent of the day's volume. Stocks of free keys come after the close, and their
# volumes are corrected overnight. A day later both are what they stay.
FINALITY_LAG = DAY
REVISION_WINDOW = 3 * DAY
# Shorter than a day, so that what runs once a day asks each time.
FREE_REFRESH = timedelta(hours=20)

REPORTS = {"annual": "annualReports", "quarterly": "quarterlyReports"}
REPORT_NAMES = ("fiscalDateEnding", "reportedCurrency")
STATEMENT_FIELDS = fields(
    "symbol",
    "period_type",
    "items",
    fiscal_date_ending="fiscalDateEnding",
    reported_currency="reportedCurrency",
)

OVERVIEW_FIELDS = fields(
    symbol="Symbol",
    asset_type="AssetType",
    name="Name",
    description="Description",
    cik="CIK",
    exchange="Exchange",
    currency="Currency",
    country="Country",
    sector="Sector",
    industry="Industry",
    address="Address",
    official_site="OfficialSite",
    fiscal_year_end="FiscalYearEnd",
    latest_quarter="LatestQuarter",
    dividend_date="DividendDate",
    ex_dividend_date="ExDividendDate",
)
OVERVIEW_NAMES = {field.path for field in OVERVIEW_FIELDS}

# An error is the first and only thing in its object. In the middle of data the same words mean
# nothing: `Meta Data` has an `Information` of its own.
ERROR = re.compile(r'\s*\{\s*"(?:Error Message|Information|Note)"\s*:')
# The advertisement at the end of nearly every text names "premium plans" and "premium endpoints",
# and that of the limit per second also how many requests there are per day.
PREMIUM = re.compile(r"premium (?:endpoint|feature)\b")
THROTTLED = re.compile(
    r"sparingly|(?:requests?|calls?) per (?:second|minute)|minute-level|burst pattern"
)
PER_DAY = re.compile(r"(?:requests|calls) per day")
MEANINGS: Sequence[tuple[re.Pattern[str], type[RetryableError | TerminalError], str]] = (
    (
        re.compile(r"api ?key is (?:invalid|missing)|invalid api ?key"),
        AccessError,
        f"Alpha Vantage refuses the key; correct {KEY}",
    ),
    (
        re.compile(r"\*\*demo\*\* api key"),
        AccessError,
        f"the demo key answers only the documentation's examples; set {KEY} to a key of your own",
    ),
    (THROTTLED, RetryableError, "Alpha Vantage is asked too fast"),
    (PREMIUM, EntitlementError, "the plan of this key does not include it"),
    (
        re.compile(r"invalid api call|invalid inputs"),
        UnknownSymbolError,
        "Alpha Vantage has no such symbol, or not with these parameters; correct the symbol",
    ),
    (re.compile(""), RetryableError, "Alpha Vantage answers with something unknown"),
)
NO_ARTICLES = "no articles found"


class AlphaVantage(RestProvider):
    """The vendor, asked with canonical pairs (`BTC/USD`) and dashed share classes (`BRK-B`)."""

    name: ClassVar[str] = "alpha_vantage"
    base_url: ClassVar[str] = "https://www.alphavantage.co"
    secret_names: ClassVar[tuple[str, ...]] = (KEY,)
    spelling: ClassVar[Spelling] = Spelling(share_class="-")
    # Each try costs one of 25 requests a day.
    policy: ClassVar[Policy] = Policy(
        limits=(RateLimit(1, per_seconds=1), RateLimit(25, per_seconds=86400)), attempts=3
    )
    windows: ClassVar[Mapping[str, int | timedelta]] = {"news_sentiment": 30 * DAY}
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(
                "time",
                "open",
                "high",
                "low",
                "close",
                "volume",
                "asset_class",
                "function",
                "time_zone",
            ),
            timeframes=(*INTERVALS, "1d"),
            timeframes_by_class={"fx": tuple(INTERVALS)},
            asset_classes=tuple(INTRADAY),
            finality_lag=FINALITY_LAG,
            revision_window=REVISION_WINDOW,
            refresh_after=FREE_REFRESH,
            calendar={"equity": "XNYS"},
        ),
        "splits": Dataset(
            "splits",
            fields("effective_date", "split_factor"),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=7 * DAY,
        ),
        "dividends": Dataset(
            "dividends",
            fields("ex_dividend_date", "declaration_date", "record_date", "payment_date", "amount"),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=7 * DAY,
        ),
        **{
            name: Dataset(
                name,
                STATEMENT_FIELDS,
                kind="extract",
                asset_classes=("equity",),
                refresh_after=7 * DAY,
            )
            for name in ("income_statements", "balance_sheets", "cash_flows")
        },
        "company_overviews": Dataset(
            "company_overviews",
            (*OVERVIEW_FIELDS, *fields("figures")),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=7 * DAY,
        ),
        "listings": Dataset(
            "listings",
            fields(
                "symbol",
                "name",
                "exchange",
                "status",
                asset_type="assetType",
                ipo_date="ipoDate",
                delisting_date="delistingDate",
            ),
            kind="extract",
            asset_classes=("equity",),
            is_by_symbol=False,
            refresh_after=DAY,
        ),
        "news_sentiment": Dataset(
            "news_sentiment",
            fields(
                "title",
                "url",
                "time_published",
                "authors",
                "summary",
                "banner_image",
                "source",
                "category_within_source",
                "source_domain",
                "topics",
                "overall_sentiment_score",
                "overall_sentiment_label",
                "ticker_sentiment",
            ),
            asset_classes=tuple(INTRADAY),
            # Articles are indexed and scored some time after they are published.
            revision_window=DAY,
            refresh_after=FREE_REFRESH,
        ),
    }

    def plan(self) -> Policy:
        """Return what a paid plan allows, where the environment names one."""
        paid = paid_per_minute(self.environment, self.name)
        if paid is None:
            return self.policy
        # Paid keys are also refused for bursts within their minute.
        per_second = RateLimit(math.ceil(paid / 60), per_seconds=1)
        return Policy(limits=(per_second, RateLimit(paid, per_seconds=60)))

    def refresh_after(self, dataset: Dataset) -> timedelta:
        """Return how old an answer must be; paid plans need not spare the newest end of ranges."""
        if dataset.kind == "range" and paid_per_minute(self.environment, self.name):
            return timedelta(0)
        return dataset.refresh_after

    def forget(self) -> None:
        """Forget which symbols there are."""
        self._lookup = Lookup()

    def params(self) -> Mapping[str, str]:
        """Return the key, which is only taken in the query."""
        return {"apikey": self.secrets[KEY]}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Return what an error text means; the vendor sends all of them with HTTP 200."""
        del status, headers
        if not ERROR.match(text):
            return None
        wording = " ".join(text.lower().split())
        if NO_ARTICLES in wording:
            return None
        if PER_DAY.search(wording) and not (THROTTLED.search(wording) or PREMIUM.search(wording)):
            # When the vendor's day begins is not documented. Its clock is New York's: should the
            # quota come back later than that, one more request says so.
            return QuotaSpentError(
                "the requests of today are used up", next_new_york_midnight(self.clock())
            )
        kind, means = next(
            (kind, means) for pattern, kind, means in MEANINGS if pattern.search(wording)
        )
        return kind(means)

    # -- bars --------------------------------------------------------------------------------------

    def cuts(self, request: Request, start: datetime, end: datetime) -> Iterable[datetime]:
        """Cut a range where the vendor needs another question.

        Stocks within the day are asked by month. By day the newest 100 rows are free and all others
        are not, so they are asked apart; and so is what lies before all that the vendor has.
        """
        if request.dataset != "bars":
            yield from super().cuts(request, start, end)
            return
        asset_class = request.params.get("asset_class", "")
        today = floor(self.clock(), DAY)
        if (farthest := _farthest(asset_class, request.timeframe)) is not None:
            yield today - farthest
        if request.timeframe == "1d":
            if asset_class in COMPACT:
                yield today - COMPACT[asset_class]
        elif asset_class == "equity":
            # Regular hours of New York lie within one UTC day, so months are the same in both.
            month = start.replace(day=1, hour=0, minute=0)
            while month < end:
                yield month
                month = (month + 31 * DAY).replace(day=1)

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for a month, the newest rows or everything, and keep what is in the range."""
        symbol, timeframe = symbol_of(request), timeframe_of(request)
        start, end = range_of(request)
        asset_class = request.params.get("asset_class", "")
        if asset_class not in INTRADAY or (asset_class in PAIRS) != (symbol.count("/") == 1):
            raise TerminalError(
                f"{request}: Alpha Vantage bars are asked by asset class ({', '.join(INTRADAY)}),"
                " and those of pairs by BASE/QUOTE: complete the request"
            )
        today = floor(self.clock(), DAY)
        farthest = _farthest(asset_class, timeframe)
        if farthest is not None and end <= today - farthest:
            # Another provider may have it, and is asked where the pulls name one.
            raise EntitlementError(
                f"{request}: Alpha Vantage has only the last {farthest.days} days of {asset_class}"
                f" bars of {timeframe}: start later, or ask another provider for what is older",
                is_lasting=False,
            )
        names = symbol.split("/") if asset_class in PAIRS else [symbol]
        params = {
            "function": (DAILY if timeframe == "1d" else INTRADAY)[asset_class],
            **dict(zip(SYMBOL_PARAMS[asset_class], names, strict=True)),
            **self._extent(asset_class, timeframe, start),
        }
        told_names = dict(zip(SYMBOL_NAMES[asset_class], names, strict=True))
        time_zone, series = await self._ask_series(symbol, params, told_names)
        moments = {label: moment(label, ZONES[asset_class]) for label in series}
        found = Found()
        for label, values in series.items():
            when = moments[label]
            if not isinstance(values, dict):
                found.reject("expected an object", {label: values})
            elif when is None or start <= when < end:
                told = {
                    "time": label,
                    "asset_class": asset_class,
                    "function": params["function"],
                    "time_zone": time_zone,
                }
                found.records.append({**_by_text(values), **told})
        oldest = min(filter(None, moments.values()), default=start)
        is_cut_off = (
            params.get("outputsize") == "compact"
            and len(series) >= COMPACT_ROWS
            and oldest > start + LONGEST_PAUSE
        )
        return found.answer(request, self.clock(), is_complete=not is_cut_off)

    async def _ask_series(
        self, symbol: str, params: Mapping[str, str], told_names: Mapping[str, str]
    ) -> tuple[str | None, Mapping[str, Any]]:
        """Return the time zone and the rows by label of a series.

        Raises:
            UnknownSymbolError: the vendor has nothing at all of the symbol.
            TerminalError: it has nothing of the month that is asked for.
        """
        try:
            time_zone, series = await self.http.get(
                PATH, params, lambda body: _series(body, told_names)
            )
        except UnknownSymbolError as error:
            if "month" in params and await self._has(symbol):
                # Not an empty answer: the same words are about parameters too, and sent by mistake.
                raise TerminalError(
                    f"{error}; it has other bars of the symbol, but nothing of {symbol} in"
                    f" {params['month']}: start later if it was not listed yet"
                ) from error
            raise
        if series:
            self._lookup.found(symbol)
        elif time_zone is None and not ("month" in params and await self._has(symbol)):
            raise UnknownSymbolError(f"Alpha Vantage has no bars of {symbol!r}: correct the symbol")
        return time_zone, series

    async def _has(self, symbol: str) -> bool:
        """Return whether the vendor has any bars of a stock: those by day are free to ask for."""

        async def look() -> bool:
            params = {"function": DAILY["equity"], "symbol": symbol, "outputsize": "compact"}
            try:
                _, series = await self.http.get(
                    PATH, params, lambda body: _series(body, {"Symbol": symbol})
                )
            except UnknownSymbolError:
                return False
            return bool(series)

        return await self._lookup.has(symbol, look)

    async def _check_known(self, request: Request) -> None:
        """Tell a company without records of a kind from a symbol that the vendor does not have.

        Raises:
            UnknownSymbolError: it has no bars of the symbol either.
        """
        if not await self._has(symbol_of(request)):
            raise UnknownSymbolError(
                f"{request}: Alpha Vantage has nothing of {request.symbol!r}: correct the symbol"
            )

    def _extent(self, asset_class: str, timeframe: str, start: datetime) -> Mapping[str, str]:
        """Return the parameters that say how much is answered."""
        now = self.clock()
        if timeframe == "1d":
            if asset_class not in COMPACT:
                return {}
            is_recent = start >= floor(now, DAY) - COMPACT[asset_class]
            return {"outputsize": "compact" if is_recent else "full"}
        if asset_class == "equity":
            return {
                "interval": INTERVALS[timeframe],
                "month": f"{start:%Y-%m}",
                "outputsize": "full",
                "adjusted": "false",
                # Silver's bars of stocks are those of regular hours.
                "extended_hours": "false",
            }
        is_recent = start >= now - COMPACT_ROWS * TIMEFRAMES[timeframe]
        return {
            "interval": INTERVALS[timeframe],
            "outputsize": "compact" if is_recent else "full",
        }

    # -- corporate actions, statements, companies, listings ----------------------------------------

    async def ask_splits(self, request: Request) -> Answer:
        """Ask for all splits of a company; a fractional one is a spin-off told as a split."""
        return await self._table(request, "SPLITS")

    async def ask_dividends(self, request: Request) -> Answer:
        """Ask for all dividends of a company, announced ones included."""
        return await self._table(request, "DIVIDENDS")

    async def ask_income_statements(self, request: Request) -> Answer:
        """Ask for a company's yearly and quarterly income statements."""
        return await self._statements(request, "INCOME_STATEMENT")

    async def ask_balance_sheets(self, request: Request) -> Answer:
        """Ask for a company's yearly and quarterly balance sheets."""
        return await self._statements(request, "BALANCE_SHEET")

    async def ask_cash_flows(self, request: Request) -> Answer:
        """Ask for a company's yearly and quarterly cash flow statements."""
        return await self._statements(request, "CASH_FLOW")

    async def ask_company_overviews(self, request: Request) -> Answer:
        """Ask who a company is; its figures of the day are kept together as JSON.

        Raises:
            UnknownSymbolError: the vendor has no such company; funds have no overview either.
        """

        def read(body: Any) -> Record:  # noqa: ANN401 - JSON is whatever was sent
            overview = an_object(body)
            if not overview:
                raise UnknownSymbolError(
                    f"{request}: Alpha Vantage has no overview of {request.symbol!r}:"
                    " correct the symbol, or leave it out if it is a fund"
                )
            if "Symbol" not in overview:
                raise ValueError("expected an overview with a Symbol")
            _check_name("Symbol", overview, symbol_of(request))
            return {
                **{key: value for key, value in overview.items() if key in OVERVIEW_NAMES},
                "figures": {k: v for k, v in overview.items() if k not in OVERVIEW_NAMES},
            }

        params = {"function": "OVERVIEW", "symbol": symbol_of(request)}
        record = await self.http.get(PATH, params, read)
        return Answer(request, self.clock(), [record])

    async def ask_listings(self, request: Request) -> Answer:
        """Ask for everything delisted and for everything listed: only both are the whole list.

        A ticker that is used again is in both; what it means now comes last, and counts.
        """
        names = [field.path for field in self.datasets["listings"].fields]
        found = Found()
        for state in ("delisted", "active"):
            params = {"function": "LISTING_STATUS", "state": state}
            part = await self.http.get_text(
                PATH, params, lambda text: _csv(text, names, may_be_empty=False)
            )
            found.records += part.records
            found.rejects += part.rejects
        return found.answer(request, self.clock())

    async def _table(self, request: Request, function: str) -> Answer:
        names = [field.path for field in self.datasets[request.dataset].fields]
        params = {"function": function, "symbol": symbol_of(request), "datatype": "csv"}
        try:
            found = await self.http.get_text(
                PATH, params, lambda text: _csv(text, names), classify=self._classify_table
            )
        except _NothingError:
            await self._check_known(request)
            found = Found()
        return found.answer(request, self.clock())

    def _classify_table(
        self, status: int, text: str, headers: Mapping[str, str]
    ) -> ProviderError | None:
        if text.strip() == "{}":
            return _NothingError("nothing of the kind, or no such symbol")
        return self.classify(status, text, headers)

    async def _statements(self, request: Request, function: str) -> Answer:
        params = {"function": function, "symbol": symbol_of(request)}

        def read(body: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON is whatever was sent
            reports = an_object(body)
            if not reports:
                return []  # a fund, which files none
            _check_name("symbol", reports, params["symbol"])
            return [
                (period_type, report)
                for period_type, key in REPORTS.items()
                for report in array(reports[key])
            ]

        found = Found()
        reports = await self.http.get(PATH, params, read)
        if not reports:
            await self._check_known(request)
        for period_type, report in reports:
            if not isinstance(report, dict):
                found.reject("expected an object", report)
                continue
            facts = {key: report[key] for key in REPORT_NAMES if key in report}
            items = {key: value for key, value in report.items() if key not in facts}
            told = {"symbol": params["symbol"], "period_type": period_type}
            found.records.append({**told, **facts, "items": items})
        return found.answer(request, self.clock())

    # -- news --------------------------------------------------------------------------------------

    async def ask_news_sentiment(self, request: Request) -> Answer:
        """Ask for the articles of a range; where the limit comes back, for each half of it again.

        The vendor has no pages. More articles than the limit within one minute cannot be told
        apart: the answer then holds the limit of them, and says that it is not complete.
        """
        ticker, (start, end) = _ticker(request), range_of(request)
        start, end = floor(start, MINUTE), ceil(end, MINUTE)
        found = Found()
        is_complete = True
        ranges = [(start, end)]
        while ranges:
            first, last = ranges.pop()
            articles = await self._articles(ticker, first, last)
            if len(articles) >= NEWS_LIMIT:
                if last - first > MINUTE:
                    middle = floor(first + (last - first) / 2, MINUTE)
                    ranges += [(middle, last), (first, middle)]  # the earlier half comes next
                    continue
                is_complete = False
            for article in found.objects(articles):
                when = moment(article.get("time_published"), UTC)
                if when is None or first <= when < last:
                    found.records.append(article)
        return found.answer(request, self.clock(), is_complete=is_complete)

    async def _articles(self, ticker: str, start: datetime, end: datetime) -> list[Any]:
        params = {
            "function": "NEWS_SENTIMENT",
            "tickers": ticker,
            "time_from": f"{start:%Y%m%dT%H%M}",
            # Whether the last minute is included is not documented: what it brings too much is
            # left out.
            "time_to": f"{end:%Y%m%dT%H%M}",
            "sort": "EARLIEST",
            "limit": str(NEWS_LIMIT),
        }
        return await self.http.get(PATH, params, _feed)


class _NothingError(TerminalError):
    """An empty object where a table was asked for."""


def _farthest(asset_class: str, timeframe: str | None) -> timedelta | None:
    return (FARTHEST_DAILY if timeframe == "1d" else FARTHEST_INTRADAY).get(asset_class)


def _ticker(request: Request) -> str:
    """Return a symbol as news name it: pairs by their first half, with the kind before it."""
    symbol = symbol_of(request)
    asset_class = request.params.get("asset_class", "equity")
    prefix = {"crypto": "CRYPTO:", "fx": "FOREX:"}.get(asset_class, "")
    return prefix + (symbol.partition("/")[0] if prefix else symbol)


def _by_text(numbered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `4. close` holds as `close`.

    Raises:
        ValueError: two keys are the same but for their number.
    """
    named = {NUMBER.sub("", key): value for key, value in numbered.items()}
    if len(named) != len(numbered):
        raise ValueError(f"the same key twice: {', '.join(numbered)}")
    return named


def _check_name(key: str, said: Mapping[str, Any], asked: str) -> None:
    """Refuse an answer that is about something else than was asked."""
    if str(said.get(key, asked)).upper() != asked.upper():
        raise ValueError(f"asked for {asked}, the answer is about {said[key]}")


def _series(
    body: Any,  # noqa: ANN401 - JSON is whatever was sent
    names: Mapping[str, str],
) -> tuple[str | None, dict[str, Any]]:
    """Return the time zone and the rows by label of a time series that is about `names`."""
    answer = an_object(body)
    if not answer:
        return None, {}
    meta = _by_text(an_object(answer["Meta Data"]))
    for key, asked in names.items():
        _check_name(key, meta, asked)
    (series,) = (value for key, value in answer.items() if key.startswith("Time Series"))
    rows = an_object(series)
    for values in rows.values():
        if isinstance(values, dict):
            _by_text(values)
    return meta.get("Time Zone"), rows


def _feed(body: Any) -> list[Any]:  # noqa: ANN401
    answer = an_object(body)
    if NO_ARTICLES in str(answer.get("Information")).lower():
        return []
    return array(answer["feed"])


def _csv(text: str, names: Sequence[str], *, may_be_empty: bool = True) -> Found:
    """Return the rows of a CSV answer by name, and those of another length as rejects.

    Raises:
        ValueError: it is no CSV with these columns, each once; or its last line does not end, as of
            a body that was cut off; or it has no rows though there must be some, as if everything
            had vanished.
    """
    if not text.endswith("\n"):
        raise ValueError("expected a table whose last line ends, not one that is cut off")
    lines = csv.reader(io.StringIO(text), strict=True)
    try:
        header = next(lines, [])
        if missing := set(names) - set(header):
            raise ValueError(f"expected a table with {', '.join(sorted(missing))}")
        if len(set(header)) < len(header):
            raise ValueError(f"the same column twice: {', '.join(header)}")
        found = Found()
        for line in lines:
            if len(line) == len(header):
                found.records.append(dict(zip(header, line, strict=True)))
            elif line:
                found.rejects.append(Reject(f"expected {len(header)} values", ",".join(line)))
    except csv.Error as error:
        raise ValueError(f"not CSV: {error}") from error
    if not (found.records or may_be_empty):
        raise ValueError("expected a list, not an empty one")
    return found
