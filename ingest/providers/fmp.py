"""Financial Modeling Prep, stable API: bars of stocks, corporate actions, statements, profiles.

Sources:
    https://site.financialmodelingprep.com/developer/docs/stable
    https://site.financialmodelingprep.com/developer/docs/stable/historical-price-eod-non-split-adjusted
    https://site.financialmodelingprep.com/developer/docs/stable/intraday-1-min

Daily bars are the raw ones of `non-split-adjusted`, which calls them `adjOpen` to `adjClose`; bars
within the day are asked with `nonadjusted=true`. `full`, `light` and `dividend-adjusted` are
adjusted by the vendor and are never asked for. Both ends of a range are always sent: without them
history is silently cut to about five years.

Free keys have 250 requests a day, about five years of bars by day and none within it, and five
yearly statements a question, no quarterly ones; set `TAPEHOUSE_FMP_PER_MINUTE` to what a paid plan
allows (300 on the smallest). What a plan does not cover is answered with 402, in prose.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from ingest.answers import Found, array, moment
from ingest.calendars import is_closed
from ingest.http import Policy, RateLimit
from ingest.plans import next_new_york_midnight, paid_per_minute
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    ProviderError,
    QuotaSpentError,
    Record,
    Request,
    RetryableError,
    UnknownSymbolError,
    fields,
)
from ingest.records import JsonNumber
from ingest.rest import Lookup, RestProvider, floor, grid, range_of, symbol_of, timeframe_of
from ingest.symbols import Spelling

KEY = "FMP_API_KEY"
DAY = timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = "XNYS"

DAILY_PATH = "/historical-price-eod/non-split-adjusted"
INTRADAY_PATHS = {
    "1m": "/historical-chart/1min",
    "5m": "/historical-chart/5min",
    "15m": "/historical-chart/15min",
    "1h": "/historical-chart/1hour",
}
# How many rows an answer may have is not documented: these stay below 1,310, a few years of days.
# Should one with so many rows begin late, what it may have had no room for is asked for.
SUSPICIOUS_ROWS = 1000
LATE = time(10)
WINDOWS = {"1m": 3 * DAY, "5m": 20 * DAY, "15m": 60 * DAY, "1h": 240 * DAY, "1d": 1825 * DAY}

# Free keys are refused whole when a question begins earlier than "about five years" ago.
FREE_HISTORY = 1800 * DAY

# The newest bar may be unfinished, and volumes are corrected overnight.
FINALITY_LAG = DAY
REVISION_WINDOW = 3 * DAY
# Days come after the close: with 250 requests, they need not be asked for every hour.
FREE_REFRESH = timedelta(hours=6)

STATEMENT_FIELDS = fields(
    "symbol",
    "date",
    "cik",
    "period",
    "items",
    reported_currency="reportedCurrency",
    filing_date="filingDate",
    accepted_date="acceptedDate",
    fiscal_year="fiscalYear",
)
STATEMENT_PATHS = {
    "income_statements": "/income-statement",
    "balance_sheets": "/balance-sheet-statement",
    "cash_flows": "/cash-flow-statement",
}
PERIODS = ("annual", "quarter")
PROFILE_PATH = "/profile"
FREE_STATEMENTS, PAID_STATEMENTS = 5, 400

ERROR = re.compile(r'\s*\{\s*"(?:Error Message|error)"\s*:', re.IGNORECASE)
LIMIT_REACHED = re.compile(r"limit reach")
BANDWIDTH = "bandwidth limit"
BANDWIDTH_WINDOW = 30 * DAY
BAD_KEY = re.compile(r"invalid api ?key")
NOT_COVERED = re.compile(
    r"premium query parameter|(?:restricted|exclusive|special|legacy|premium) endpoint"
)


class Fmp(RestProvider):
    """The vendor, asked with dashed share classes (`BRK-B`), as most of its clients do."""

    name: ClassVar[str] = "fmp"
    base_url: ClassVar[str] = "https://financialmodelingprep.com/stable"
    secret_names: ClassVar[tuple[str, ...]] = (KEY,)
    spelling: ClassVar[Spelling] = Spelling(share_class="-")
    policy: ClassVar[Policy] = Policy(
        limits=(RateLimit(5, per_seconds=1), RateLimit(250, per_seconds=86400)), attempts=3
    )
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            fields(
                "symbol",
                "date",
                "open",
                "high",
                "low",
                "close",
                "volume",
                "path",
                adj_open="adjOpen",
                adj_high="adjHigh",
                adj_low="adjLow",
                adj_close="adjClose",
            ),
            timeframes=(*INTRADAY_PATHS, "1d"),
            asset_classes=("equity",),
            finality_lag=FINALITY_LAG,
            revision_window=REVISION_WINDOW,
            refresh_after=FREE_REFRESH,
            calendar={"equity": CALENDAR},
        ),
        "splits": Dataset(
            "splits",
            fields("symbol", "date", "numerator", "denominator"),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=7 * DAY,
        ),
        "dividends": Dataset(
            "dividends",
            fields(
                "symbol",
                "date",
                "dividend",
                "yield",
                "frequency",
                record_date="recordDate",
                payment_date="paymentDate",
                declaration_date="declarationDate",
                adj_dividend="adjDividend",
            ),
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
            for name in STATEMENT_PATHS
        },
        "company_profiles": Dataset(
            "company_profiles",
            fields(
                "symbol",
                "price",
                "beta",
                "range",
                "change",
                "volume",
                "currency",
                "cik",
                "isin",
                "cusip",
                "exchange",
                "industry",
                "website",
                "description",
                "ceo",
                "sector",
                "country",
                "phone",
                "address",
                "city",
                "state",
                "zip",
                "image",
                company_name="companyName",
                market_cap="marketCap",
                last_dividend="lastDividend",
                change_percentage="changePercentage",
                average_volume="averageVolume",
                exchange_full_name="exchangeFullName",
                full_time_employees="fullTimeEmployees",
                ipo_date="ipoDate",
                default_image="defaultImage",
                is_etf="isEtf",
                is_actively_trading="isActivelyTrading",
                is_adr="isAdr",
                is_fund="isFund",
            ),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=DAY,
        ),
    }

    @property
    def _paid_per_minute(self) -> int | None:
        return paid_per_minute(self.environment, self.name)

    def plan(self) -> Policy:
        """Return what a paid plan allows, where the environment names one."""
        paid = self._paid_per_minute
        return Policy(limits=(RateLimit(paid, per_seconds=60),)) if paid else self.policy

    def refresh_after(self, dataset: Dataset) -> timedelta:
        """Return how old an answer must be; paid plans need not spare the newest end of ranges."""
        if dataset.kind == "range" and self._paid_per_minute:
            return timedelta(0)
        return dataset.refresh_after

    def forget(self) -> None:
        """Forget which symbols there are."""
        self._lookup = Lookup()

    def headers(self) -> Mapping[str, str]:
        """Return the key, in a header: what is in the query shows in the logs of proxies."""
        return {"apikey": self.secrets[KEY]}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Return what a refusal means, whatever status it comes with."""
        del headers
        is_refused = status != HTTPStatus.OK
        if not is_refused and text.lstrip().startswith("["):
            return None
        wording = " ".join(text.lower().split())
        if LIMIT_REACHED.search(wording):
            return self._limit_reached(is_bandwidth=BANDWIDTH in wording)
        if status == HTTPStatus.PAYMENT_REQUIRED or NOT_COVERED.search(wording):
            return EntitlementError("the plan of this key does not include it")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or BAD_KEY.search(wording):
            return AccessError(f"FMP refuses the key; correct {KEY}")
        if not is_refused and ERROR.match(text):
            return RetryableError("FMP answers with something unknown")
        return None

    def _limit_reached(self, *, is_bandwidth: bool) -> ProviderError:
        now = self.clock()
        if is_bandwidth:
            return QuotaSpentError("the traffic of 30 days is used up", now + BANDWIDTH_WINDOW)
        if self._paid_per_minute:
            return RetryableError("FMP is asked too fast")
        # When the vendor's day begins is not documented. Its clock is New York's: should the quota
        # come back later than that, one more request says so.
        return QuotaSpentError("the requests of today are used up", next_new_york_midnight(now))

    # -- bars --------------------------------------------------------------------------------------

    def split(self, request: Request) -> Iterable[Request]:
        """Cut ranges into windows of whole days, and statements into yearly and quarterly ones.

        Free keys are refused quarters: they are not asked.
        """
        if request.dataset in STATEMENT_PATHS and "period" not in request.params:
            periods = PERIODS if self._paid_per_minute else PERIODS[:1]
            params = [{**request.params, "period": period} for period in periods]
            return [replace(request, params=each) for each in params]
        return super().split(request)

    def cuts(self, request: Request, start: datetime, end: datetime) -> Iterable[datetime]:
        """Cut at windows, and apart what free keys are refused."""
        yield from grid(start, end, WINDOWS[timeframe_of(request)])
        if not self._paid_per_minute:
            yield floor(self.clock(), DAY) - FREE_HISTORY

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for the days of a range; rows of them outside the range are left out."""
        (start, end), timeframe = range_of(request), timeframe_of(request)
        is_daily = timeframe == "1d"
        path = DAILY_PATH if is_daily else INTRADAY_PATHS[timeframe]
        params = {
            "symbol": symbol_of(request),
            # Regular hours of New York lie within one UTC day, so days are the same in both.
            "from": f"{start:%Y-%m-%d}",
            "to": f"{end - timedelta(microseconds=1):%Y-%m-%d}",
            **({} if is_daily else {"nonadjusted": "true"}),
        }
        zone = UTC if is_daily else NEW_YORK
        found = Found()
        is_complete, is_anything = True, False
        while True:
            answered = await self.http.get(path, params, array)
            is_anything = is_anything or bool(answered)
            rows = [(moment(row.get("date"), zone), row) for row in found.objects(answered)]
            oldest = min((when for when, _ in rows if when is not None), default=start)
            again_to = f"{oldest:%Y-%m-%d}"
            is_cut_off = len(rows) >= SUSPICIOUS_ROWS and _begins_late(start, oldest, is_daily)
            if is_cut_off and again_to >= params["to"]:
                is_cut_off = is_complete = False
            # Of the oldest day, which may be cut off in its middle, all is asked for again.
            first = max(start, floor(oldest, DAY) + DAY) if is_cut_off else start
            found.records += (
                {**row, "path": path.lstrip("/")}
                for when, row in rows
                if when is None or first <= when < end
            )
            if not is_cut_off:
                break
            params["to"] = again_to
        if not (is_anything or await self._has(request)):
            raise UnknownSymbolError(
                f"{request}: FMP has no bars of {request.symbol!r}: correct the symbol"
            )
        return found.answer(request, self.clock(), is_complete=is_complete)

    async def _has(self, request: Request) -> bool:
        """Return whether the vendor has a symbol: of what it has not, it answers `[]`."""
        symbol = symbol_of(request)

        async def look() -> bool:
            try:
                return bool(await self.http.get(PROFILE_PATH, {"symbol": symbol}, array))
            except EntitlementError:
                return True

        return await self._lookup.has(symbol, look)

    # -- corporate actions, statements, profiles ---------------------------------------------------

    async def ask_splits(self, request: Request) -> Answer:
        """Ask for all splits of a company."""
        return await self._rows(request, "/splits", {"symbol": symbol_of(request)})

    async def ask_dividends(self, request: Request) -> Answer:
        """Ask for all dividends of a company."""
        return await self._rows(request, "/dividends", {"symbol": symbol_of(request)})

    async def ask_income_statements(self, request: Request) -> Answer:
        """Ask for a company's yearly or quarterly income statements."""
        return await self._statements(request)

    async def ask_balance_sheets(self, request: Request) -> Answer:
        """Ask for a company's yearly or quarterly balance sheets."""
        return await self._statements(request)

    async def ask_cash_flows(self, request: Request) -> Answer:
        """Ask for a company's yearly or quarterly cash flow statements."""
        return await self._statements(request)

    async def ask_company_profiles(self, request: Request) -> Answer:
        """Ask who a company is.

        Raises:
            UnknownSymbolError: the vendor has no such company.
        """
        answer = await self._rows(request, PROFILE_PATH, {"symbol": symbol_of(request)})
        if not (answer.records or answer.rejects):
            raise UnknownSymbolError(
                f"{request}: FMP has no profile of {request.symbol!r}: correct the symbol"
            )
        return answer

    async def _rows(self, request: Request, path: str, params: Mapping[str, str]) -> Answer:
        found = Found()
        answered = await self.http.get(path, params, array)
        if not (answered or path == PROFILE_PATH or await self._has(request)):
            raise UnknownSymbolError(
                f"{request}: FMP has nothing of {request.symbol!r}: correct the symbol"
            )
        found.records += found.objects(answered)
        return found.answer(request, self.clock())

    async def _statements(self, request: Request) -> Answer:
        limit = PAID_STATEMENTS if self._paid_per_minute else FREE_STATEMENTS
        period = request.params.get("period", PERIODS[0])
        params = {"symbol": symbol_of(request), "period": period, "limit": str(limit)}
        answer = await self._rows(request, STATEMENT_PATHS[request.dataset], params)
        return replace(answer, records=[_with_items(record) for record in answer.records])


def _begins_late(start: datetime, oldest: datetime, is_daily: bool) -> bool:
    """Return whether there was trading between the start of a range and its oldest row."""
    day = floor(oldest, DAY)
    if start < day and not is_closed(CALENDAR, start, day):
        return True
    return not is_daily and start < day + DAY and oldest.astimezone(NEW_YORK).time() > LATE


def _with_items(statement: Any) -> Record:  # noqa: ANN401 - an object as sent
    """Return a statement with its amounts, which are what is a number or unknown, in one object."""
    named = {field.path for field in STATEMENT_FIELDS}
    items = {
        key: value
        for key, value in statement.items()
        if key not in named and (value is None or isinstance(value, JsonNumber))
    }
    return {**{k: v for k, v in statement.items() if k not in items}, "items": items}
