"""Alpaca: stock and crypto bars, corporate actions, news and assets over REST.

Three providers, as a feed is a market of its own and the two must never mix in one series:
`alpaca_sip` (stock bars of all US exchanges), `alpaca_iex` (stock bars of one exchange, 1.5 to 2 %
of the volume) and `alpaca` (everything else). One key serves all. The stream is not here.

Sources:
    https://docs.alpaca.markets/reference/stockbars
    https://docs.alpaca.markets/reference/cryptobars-1
    https://docs.alpaca.markets/reference/corporateactions-1
    https://docs.alpaca.markets/reference/news-3
    https://docs.alpaca.markets/reference/get-v2-assets-1

Bars are labelled by their start in UTC and left out where no eligible trade was printed; a day of a
stock starts at midnight in New York. Bars of an hour and longer start on the clock's hours, which
no session does, so that those of stocks are derived in SQL.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar

from ingest.answers import Found, array, filled_array
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    MalformedError,
    ProviderError,
    Request,
    RetryableError,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, instant, range_of, symbol_of, timeframe_of

KEY_ID, SECRET_KEY = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"

SPELLED = {"1m": "1Min", "5m": "5Min", "15m": "15Min", "1h": "1Hour", "1d": "1Day"}
STOCK_TIMEFRAMES = ("1m", "5m", "15m", "1d")

SYMBOLS_PER_REQUEST = 100
LINGER_SECONDS = 0.01
"""How long a question waits for others that differ in nothing but the symbol."""

ROWS_PER_PAGE = 10_000
ACTIONS_PER_PAGE = 1000
ARTICLES_PER_PAGE = 50

# Two weeks of minutes are ten sessions of 16 hours at most: one page. The same count of longer
# bars spans as many sessions as there are bars of theirs in a page.
STOCK_WINDOW = 14 * 24 * 60
LAST_INSTANT = timedelta(seconds=1)

# Without a subscription the newest 15 minutes of the consolidated tape are refused.
SIP_DELAY = timedelta(minutes=15)
CLOCK_TOLERANCE = timedelta(seconds=15)
# A minute is sent again some time after its end when trades were reported late.
IEX_FINALITY_LAG = timedelta(minutes=2)
SIP_FINALITY_LAG = SIP_DELAY + IEX_FINALITY_LAG
# Trades are corrected and cancelled until the end of the day after.
REVISION_WINDOW = timedelta(days=1)
# Actions are found by the date they are processed, which for a dividend is weeks after its ex-date.
ANNOUNCED_AHEAD = timedelta(days=60)

BAR_FIELDS = fields(
    # The stream's messages share these datasets: `T` and `t`, `S` and `s` differ only in case.
    message_type="T",
    stream_symbol="S",
    time="t",
    open="o",
    high="h",
    low="l",
    close="c",
    volume="v",
    trade_count="n",
    vwap="vw",
)

POLICY = Policy(limits=(RateLimit(200, per_seconds=60),), concurrency=SYMBOLS_PER_REQUEST)
"""The plan's limit; as many questions at once as one request can hold symbols."""


@dataclass(frozen=True)
class _Question:
    """What bars are asked for, of whatever symbols."""

    timeframe: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class _Told:
    """What came of a group: what was found of each symbol, or its error."""

    asked_at: datetime
    by_symbol: Mapping[str, Found | ProviderError]


@dataclass(frozen=True)
class _Group:
    """Symbols that are asked for together, and the asking."""

    symbols: set[str]
    asking: asyncio.Task[_Told]


class _Alpaca(RestProvider):
    """What the three providers share: key, errors, pages, bars of many symbols in one request."""

    # The limit is the account's, whatever is asked.
    account = "alpaca"
    base_url = "https://data.alpaca.markets"
    policy = POLICY
    secret_names = (KEY_ID, SECRET_KEY)

    bars_path: ClassVar[str]
    newest_bars_after: ClassVar[timedelta] = timedelta(0)

    def headers(self) -> Mapping[str, str]:
        """Return the two headers of the key."""
        return {
            "APCA-API-KEY-ID": self.secrets[KEY_ID],
            "APCA-API-SECRET-KEY": self.secrets[SECRET_KEY],
        }

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Read `{"message": …}`: what a 403 is about only its text says."""
        del headers
        if status == HTTPStatus.FORBIDDEN and "subscription" in text.lower():
            return EntitlementError(
                "the plan does not include it: ask for an earlier end or another feed",
                is_lasting="recent" not in text.lower(),
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return AccessError(
                f"check {KEY_ID} and {SECRET_KEY}, and that they are of this address (paper or"
                " live)"
            )
        is_refused = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        if is_refused and re.search(r"\bsymbols?\b", text, re.IGNORECASE):
            return UnknownSymbolError(
                "correct the symbol (share classes have a dot: BRK.B); the dataset assets of alpaca"
                " lists those there are"
            )
        return None

    def remaining(self, headers: Mapping[str, str]) -> int | None:
        """Return how many requests are left in this minute."""
        left = headers.get("X-Ratelimit-Remaining", "")
        return int(left) if re.fullmatch(r"\d{1,9}", left, re.ASCII) else None

    def bars_params(self) -> Mapping[str, str]:
        """Return what is asked of bars besides symbols, timeframe and range."""
        return {}

    def forget(self) -> None:
        """Forget what is being asked."""
        self._groups: dict[_Question, _Group] = {}
        self._asking: set[asyncio.Task[_Told]] = set()

    async def close(self) -> None:
        """Stop asking and release connections."""
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await super().close()

    async def ask_bars(self, request: Request) -> Answer:
        """Ask for bars of a symbol, together with others that are asked for at the same time.

        Raises:
            ProviderError: see there; an error about one symbol reaches only its own request.
        """
        symbol = symbol_of(request)
        group = self._group(_Question(timeframe_of(request), *range_of(request)), symbol)
        # Who stops waiting must not stop the others.
        told = await asyncio.shield(group.asking)
        found = told.by_symbol[symbol]
        if isinstance(found, ProviderError):
            raise found
        # Later pages are younger than the first: what was true of all of them is its time.
        return found.answer(request, told.asked_at)

    def _group(self, question: _Question, symbol: str) -> _Group:
        """Return the group that will ask for a symbol, a new one where none has room."""
        group = self._groups.get(question)
        if group is None or len(group.symbols) == SYMBOLS_PER_REQUEST:
            symbols: set[str] = set()
            asking = asyncio.create_task(self._ask_group(question, symbols))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
            group = self._groups[question] = _Group(symbols, asking)
        group.symbols.add(symbol)
        return group

    async def _ask_group(self, question: _Question, symbols: set[str]) -> _Told:
        await asyncio.sleep(LINGER_SECONDS)
        group = self._groups.get(question)
        if group is not None and group.symbols is symbols:
            del self._groups[question]
        asked_at = self.clock()
        # Both ends are included.
        last = min(question.end - LAST_INSTANT, asked_at - self.newest_bars_after)
        if last < question.start:
            return _Told(asked_at, {symbol: Found() for symbol in symbols})
        params = {
            "timeframe": SPELLED[question.timeframe],
            "start": instant(question.start),
            "end": instant(last),
            "limit": str(ROWS_PER_PAGE),
            "sort": "asc",
            **self.bars_params(),
        }
        return _Told(asked_at, await self._bars(sorted(symbols), params))

    async def _bars(
        self, symbols: Sequence[str], params: Mapping[str, str]
    ) -> dict[str, Found | ProviderError]:
        """Return what was found of each symbol, or its error.

        A bad symbol fails the whole request: each half of it is asked again.
        """
        found = {symbol: Found() for symbol in symbols}

        def read(body: Any) -> str | None:  # noqa: ANN401
            for symbol, items in _by_name(body["bars"]).items():
                if symbol not in found:
                    raise ValueError(f"bars of {symbol!r}, which was not asked for")
                found[symbol].records += found[symbol].objects(_filled(items))
            return _next_page(body)

        try:
            await self._pages(self.bars_path, {"symbols": ",".join(symbols), **params}, read)
        except UnknownSymbolError as error:
            if len(symbols) == 1:
                return {symbols[0]: error}
            half = len(symbols) // 2
            halves = await asyncio.gather(
                self._bars(symbols[:half], params), self._bars(symbols[half:], params)
            )
            return {**halves[0], **halves[1]}
        except MalformedError as error:
            # What could not be read is one answer: it is put aside once.
            others = RetryableError(f"{error}; asked together with {symbols[0]}: run it again")
            return {symbol: error if symbol == symbols[0] else others for symbol in symbols}
        return dict(found)

    async def _pages(self, path: str, params: Mapping[str, str], read: Any) -> None:  # noqa: ANN401
        """Read all pages of an answer; `read` returns the token of the next one.

        Raises:
            ProviderError: a page failed, and with it the answer.
        """
        token: str | None = None
        seen: set[str] = set()
        while True:
            page = {"page_token": token} if token else {}
            token = await self.http.get(path, {**params, **page}, read)
            if not token:
                return
            if token in seen:
                raise MalformedError(f"{path}: the same page is next for ever", token)
            seen.add(token)


def _stock_bars(finality_lag: timedelta) -> Dataset:
    return Dataset(
        "bars",
        BAR_FIELDS,
        timeframes=STOCK_TIMEFRAMES,
        asset_classes=("equity",),
        finality_lag=finality_lag,
        revision_window=REVISION_WINDOW,
        calendar={"equity": "XNYS"},
    )


class _AlpacaStocks(_Alpaca):
    bars_path = "/v2/stocks/bars"
    windows: ClassVar[Mapping[str, int | timedelta]] = {"bars": STOCK_WINDOW}

    feed: ClassVar[str]

    def bars_params(self) -> Mapping[str, str]:
        """Ask for one feed, unadjusted.

        Without `asof` a symbol means the company that has it today, also before it took it: META
        brings the bars of FB. The assets, by which symbols are mapped, say no more than that. With
        `asof=-` it would bring what else traded under the symbol before, as if it were the same.
        """
        return {"feed": self.feed, "adjustment": "raw"}


class AlpacaSip(_AlpacaStocks):
    """Stock bars of the consolidated tape, unadjusted."""

    name = "alpaca_sip"
    datasets: ClassVar[Mapping[str, Dataset]] = {"bars": _stock_bars(SIP_FINALITY_LAG)}
    feed = "sip"
    newest_bars_after = SIP_DELAY + CLOCK_TOLERANCE


class AlpacaIex(_AlpacaStocks):
    """Stock bars of the IEX exchange alone, unadjusted, without delay."""

    name = "alpaca_iex"
    datasets: ClassVar[Mapping[str, Dataset]] = {"bars": _stock_bars(IEX_FINALITY_LAG)}
    feed = "iex"


class Alpaca(_Alpaca):
    """Crypto bars, corporate actions, news, and the assets that name all symbols."""

    name = "alpaca"
    hosts: ClassVar[Mapping[str, str]] = {"trading": "https://paper-api.alpaca.markets"}
    bars_path = "/v1beta3/crypto/us/bars"
    windows: ClassVar[Mapping[str, int | timedelta]] = {
        "bars": ROWS_PER_PAGE,
        "news": timedelta(days=30),
    }
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "bars": Dataset(
            "bars",
            BAR_FIELDS,
            timeframes=tuple(SPELLED),
            asset_classes=("crypto",),
            finality_lag=IEX_FINALITY_LAG,
            revision_window=timedelta(hours=2),
        ),
        "corporate_actions": Dataset(
            "corporate_actions",
            fields(
                "type",
                "id",
                "symbol",
                "cusip",
                "old_symbol",
                "old_cusip",
                "new_symbol",
                "new_cusip",
                "source_symbol",
                "source_cusip",
                "alternate_symbol",
                "alternate_cusip",
                "acquirer_symbol",
                "acquirer_cusip",
                "acquiree_symbol",
                "acquiree_cusip",
                "rate",
                "old_rate",
                "new_rate",
                "source_rate",
                "alternate_rate",
                "acquirer_rate",
                "acquiree_rate",
                "cash_rate",
                "special",
                "foreign",
                "process_date",
                "ex_date",
                "effective_date",
                "record_date",
                "payable_date",
                "due_bill_on_date",
                "due_bill_off_date",
                "due_bill_redemption_date",
                "expiration_date",
            ),
            asset_classes=("equity",),
            revision_window=timedelta(days=30),
        ),
        "news": Dataset(
            "news",
            fields(
                "id",
                "headline",
                "author",
                "created_at",
                "updated_at",
                "summary",
                "content",
                "url",
                "images",
                "symbols",
                "source",
            ),
            asset_classes=("equity", "crypto"),
            finality_lag=timedelta(minutes=15),
            # Articles are updated after they were published.
            revision_window=timedelta(days=3),
        ),
        "assets": Dataset(
            "assets",
            fields(
                "id",
                "exchange",
                "symbol",
                "name",
                "status",
                "tradable",
                "marginable",
                "shortable",
                "easy_to_borrow",
                "fractionable",
                "attributes",
                "maintenance_margin_requirement",
                "min_order_size",
                "min_trade_increment",
                "price_increment",
                asset_class="class",
            ),
            kind="extract",
            is_by_symbol=False,
            refresh_after=timedelta(hours=20),
        ),
    }

    async def ask_corporate_actions(self, request: Request) -> Answer:
        """Ask for all that happened to a symbol, of every type, announced actions included."""
        (start, end), found = range_of(request), Found()

        def read(body: Any) -> str | None:  # noqa: ANN401
            for kind, actions in _by_name(body["corporate_actions"]).items():
                found.records += ({"type": kind, **it} for it in found.objects(array(actions)))
            return _next_page(body)

        asked_at = self.clock()
        params = {
            "symbols": symbol_of(request),
            "start": f"{start:%Y-%m-%d}",
            "end": f"{end + ANNOUNCED_AHEAD:%Y-%m-%d}",
            "limit": str(ACTIONS_PER_PAGE),
            "sort": "asc",
        }
        await self._pages("/v1/corporate-actions", params, read)
        return found.answer(request, asked_at)

    async def ask_news(self, request: Request) -> Answer:
        """Ask for articles about a symbol, in the order in which they were last updated."""
        (start, end), found = range_of(request), Found()

        def read(body: Any) -> str | None:  # noqa: ANN401
            found.records += found.objects(_filled(body["news"]))
            return _next_page(body)

        asked_at = self.clock()
        params = {
            # Articles name pairs without a separator.
            "symbols": symbol_of(request).replace("/", ""),
            "start": instant(start),
            "end": instant(end),
            "limit": str(ARTICLES_PER_PAGE),
            "sort": "asc",
            "include_content": "true",
        }
        await self._pages("/v1beta1/news", params, read)
        return found.answer(request, asked_at)

    async def ask_assets(self, request: Request) -> Answer:
        """Ask the trading address for all stocks and crypto pairs, those no longer traded too."""
        found = Found()
        asked_at = self.clock()
        for asset_class in ("us_equity", "crypto"):
            for status in ("active", "inactive"):
                read = filled_array if status == "active" else array
                params = {"asset_class": asset_class, "status": status}
                found.records += found.objects(
                    await self.http.get("/v2/assets", params, read, base_url=self.host("trading"))
                )
        return found.answer(request, asked_at)


def _by_name(groups: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON is whatever was sent
    """Return rows by what they are of; where there are none the vendor sends null."""
    if not isinstance(groups, dict | None):
        raise TypeError(f"expected an object, not {type(groups).__name__}")
    return groups or {}


def _filled(rows: Any) -> list[Any]:  # noqa: ANN401
    """Return rows, none where the vendor sends null."""
    return [] if rows is None else array(rows)


def _next_page(body: Mapping[str, Any]) -> str | None:
    """Return the token of the next page; an answer without the field is not whole."""
    token = body["next_page_token"]
    return str(token) if token else None
