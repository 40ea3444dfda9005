"""A simulated market, marked as such in every symbol, name and exchange code: nothing here is real.

Prices follow a geometric Brownian motion whose volatility clusters from day to day. They are a pure
function of symbol and time: a range asked twice, or in pieces, gives the same text. On request the
answers also carry the mistakes that vendors make, beside the good rows, and `injected_faults` lists
them. Static: it is never refreshed. Not for replaying real prices.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as columns_of
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.clock import Clock, utc_now
from ingest.provider import Answer, Dataset, Request, TerminalError, fields

START, END = datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 1, 22, tzinfo=UTC)
SYMBOLS = ("SIM-BTC/USD", "SIM-ETH/USD", "SIM-SOL/USD")
TIMEFRAME = "1m"
EXCHANGE = "SIMX"
UNKNOWN_SYMBOL = "SIM-UNKNOWN/USD"

FIRST_DAY, UNIX_EPOCH = datetime(2020, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
LONGEST_ANSWER = timedelta(days=7)
MINUTES_PER_DAY = 1440
TICKS_PER_MINUTE = 8
TICKS_PER_DAY = MINUTES_PER_DAY * TICKS_PER_MINUTE
TICK = MINUTE / TICKS_PER_MINUTE
EMPTY_MINUTES = 0.003
"""The share of minutes without a trade, which have no bar, as on real venues."""

VOLATILITY_PERSISTENCE, VOLATILITY_OF_VOLATILITY = 0.95, 0.15
TRADE_SIZE_SPREAD = 0.8
VOLUME_DECIMALS = 4
CORRECTIONS_PER_DAY = 2
DAYS_BETWEEN_FAULTS = 4
"""Each kind of fault occurs once in this many days: a few times in the default range."""

PRICES = ("open", "high", "low", "close")
COLUMNS = ("symbol", "timeframe", "start", *PRICES, "volume", "trade_count")
SCHEMA = pa.schema([pa.field(column, pa.string()) for column in COLUMNS])
NUMBERS = (*PRICES, "volume")
NOT_NUMBERS = ("n/a", "NaN", "Infinity")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Row = dict[str, str | None]


@dataclass(frozen=True)
class Listing:
    """What is true of a simulated listing from `effective_date` on."""

    listing_id: str
    asset_class: str
    symbol: str
    name: str
    exchange: str
    currency: str
    status: str
    effective_date: str


def _listing(
    listing_id: str, symbol: str, name: str, effective_date: str, status: str = "active"
) -> Listing:
    return Listing(listing_id, "crypto", symbol, name, EXCHANGE, "USD", status, effective_date)


LISTINGS = (
    _listing("SIM-BTC", "SIM-BTC/USD", "Simulated Bitcoin", "2020-01-01"),
    _listing("SIM-ETH", "SIM-ETH/USD", "Simulated Ether", "2020-01-01"),
    _listing("SIM-SOL", "SIM-SOL/USD", "Simulated Sol", "2020-01-01"),
    _listing("SIM-LUN", "SIM-OLD/USD", "Simulated Luna", "2023-01-02"),
    _listing("SIM-LUN", "SIM-NEW/USD", "Simulated Luna (renamed)", "2024-01-15"),
    _listing("SIM-DOG", "SIM-DOG/USD", "Simulated Dog", "2023-03-01"),
    _listing("SIM-DOG", "SIM-DOG/USD", "Simulated Dog", "2023-09-01", "delisted"),
    _listing("SIM-DOG", "SIM-DOG/USD", "Simulated Dog", "2024-01-10"),
    _listing("SIM-END", "SIM-END/USD", "Simulated End", "2023-02-01"),
    _listing("SIM-END", "SIM-END/USD", "Simulated End", "2024-01-12", "delisted"),
)
"""Every change of every listing, oldest first within a listing."""

LISTING_OF: Mapping[str, str] = {listing.symbol: listing.listing_id for listing in LISTINGS}


@dataclass(frozen=True)
class Market:
    """How a listing trades: price on the first day, decimals, yearly volatility, usual trade."""

    price: float
    decimals: int
    volatility: float
    trade_size: float
    trades_per_tick: float


MARKETS: Mapping[str, Market] = {
    "SIM-BTC": Market(75_000, 2, 0.55, 0.02, 12),
    "SIM-ETH": Market(32_000, 2, 0.70, 0.3, 8),
    "SIM-SOL": Market(65, 3, 0.95, 5, 4),
    "SIM-LUN": Market(8, 4, 1.20, 40, 2),
    "SIM-DOG": Market(3, 4, 1.10, 100, 2),
    "SIM-END": Market(5, 4, 1.40, 60, 1),
}


@dataclass(frozen=True)
class Fault:
    """A bad row put beside a good one, and what the warehouse must make of it.

    `start` is the row's time as sent; `reason` is the code it is quarantined with. Of the two rows
    of a `duplicate_row` either one is superseded: they differ in nothing but their place.
    """

    kind: str
    start: str
    outcome: Literal["quarantined", "superseded"]
    reason: str | None


@dataclass(frozen=True)
class _GoodBar:
    """The row beside which a fault is put, and values that a fault may put in its place."""

    row: Row
    below_low: str
    above_high: str
    other_close: str
    price: str
    number: str
    not_a_number: str

    def text(self, column: str) -> str:
        return str(self.row[column])


QUARANTINED: Mapping[str, Callable[[_GoodBar], Row]] = {
    "high_below_low": lambda bar: {"high": bar.below_low},
    "open_outside_range": lambda bar: {"open": bar.below_low},
    "close_outside_range": lambda bar: {"close": bar.above_high},
    "negative_price": lambda bar: {bar.price: f"-{bar.text(bar.price)}"},
    "zero_price": lambda bar: {bar.price: "0"},
    "missing_value": lambda bar: {bar.price: None},
    "not_a_number": lambda bar: {bar.number: bar.not_a_number},
    "negative_volume": lambda bar: {"volume": f"-{bar.text('volume')}"},
    "unaligned_start": lambda bar: {"start": bar.text("start").replace(":00Z", ":17Z")},
    "start_in_future": lambda bar: {"start": bar.text("start").replace("20", "21", 1)},
    "unreadable_time": lambda bar: {"start": f"{bar.text('start')[:10]}T25:61:00Z"},
    "unmapped_symbol": lambda _: {"symbol": UNKNOWN_SYMBOL},
}
"""What differs from the good row, by reason code. Each breaks exactly one rule."""

SUPERSEDED: Mapping[str, Callable[[_GoodBar], Row]] = {
    "duplicate_row": lambda _: {},
    "conflicting_duplicate": lambda bar: {"close": bar.other_close},
}
"""What differs from the good row in rows that are fine by themselves but lose to it."""

CHANGES: Mapping[str, Callable[[_GoodBar], Row]] = {**QUARANTINED, **SUPERSEDED}

ROWS_PER_MINUTE = 3
"""Places in an answer for each minute: a row before the good one, the good one, a row after it."""


@dataclass(frozen=True)
class _Path:
    """Where a day's log price starts and ends, and its volatility over the day."""

    start: float
    end: float
    volatility: float


@dataclass(frozen=True)
class _Bars:
    """One-minute bars in whole units of price and volume; `minute` counts from 1970."""

    minute: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    trade_count: Ints

    def where(self, keep: npt.NDArray[np.bool_]) -> "_Bars":
        return _Bars(*(column[keep] for column in vars(self).values()))


@dataclass(frozen=True)
class _Day:
    """One UTC day of a symbol, or the part of it that is asked for and has happened.

    Bars that start in minute `open_from` or later may still change.
    """

    seed: str
    number: int
    midnight: int
    market: Market
    bars: _Bars
    table: pa.Table
    open_from: int


@dataclass(frozen=True)
class _Injection:
    """A fault, its row, and the key that sorts it next to the good row."""

    fault: Fault
    row: Row
    place: int


class Simulator:
    """A market that is not real, with the mistakes of real vendors when asked for.

    With `revision` 1 or later it answers as after late corrections: the close and volume of a few
    bars differ from those of revision 0.
    """

    name = "simulator"
    datasets: Mapping[str, Dataset] = {
        "bars": Dataset("bars", fields(*COLUMNS), timeframes=(TIMEFRAME,)),
        "instruments": Dataset(
            "instruments",
            fields(*(column.name for column in columns_of(Listing))),
            kind="extract",
        ),
    }

    def __init__(self, clock: Clock = utc_now, *, faults: bool = False, revision: int = 0) -> None:
        self._clock = clock
        self._faults = faults
        self._revision = revision

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Ask for the default pairs over the default range, or for all listings."""
        if self.datasets[dataset].kind == "extract":
            return [Request(dataset)]
        return [Request(dataset, symbol, TIMEFRAME, START, END) for symbol in SYMBOLS]

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return a symbol as it is."""
        del asset_class
        return symbol

    def split(self, request: Request) -> Iterable[Request]:
        """Cut a range into weeks, as for a vendor that limits the rows of an answer."""
        if request.start is None or request.end is None:
            return [request]
        pieces = math.ceil((request.end - request.start) / LONGEST_ANSWER)
        starts = [request.start + number * LONGEST_ANSWER for number in range(pieces)]
        return [
            replace(request, start=start, end=min(start + LONGEST_ANSWER, request.end))
            for start in starts
        ]

    async def fetch(self, request: Request) -> Answer:
        """Simulate what a request names, up to the clock; an open bar comes as it is so far.

        Raises:
            TerminalError: no such symbol or timeframe, or no range.
        """
        now = self._clock()
        if self.datasets[request.dataset].kind == "extract":
            return Answer(request, now, [asdict(listing) for listing in LISTINGS])
        if request.start is None or request.end is None:
            raise TerminalError("simulated bars need a range: give a start and an end")
        days = list(self._days(request.symbol, request.timeframe, request.start, request.end, now))
        good = pa.concat_tables([SCHEMA.empty_table(), *(day.table for day in days)])
        injections = [injection for day in days for injection in self._injections(day)]
        bad = pa.Table.from_pylist([injection.row for injection in injections], SCHEMA)
        places = [ROWS_PER_MINUTE * day.bars.minute for day in days]
        places.append(np.array([injection.place for injection in injections], np.int64))
        order = np.argsort(np.concatenate(places))
        return Answer(request, now, pa.concat_tables([good, bad]).take(order))

    async def close(self) -> None:
        """Do nothing: no connection is held."""

    def injected_faults(
        self, symbol: str, timeframe: str, start: datetime, end: datetime
    ) -> list[Fault]:
        """Return the faults that an answer for this range holds now, in its order.

        Raises:
            TerminalError: no such symbol or timeframe.
        """
        days = self._days(symbol, timeframe, start, end, self._clock())
        return [injection.fault for day in days for injection in self._injections(day)]

    def _injections(self, day: _Day) -> Iterable[_Injection]:
        return _injections(day) if self._faults else ()

    def _days(
        self,
        symbol: str | None,
        timeframe: str | None,
        start: datetime,
        end: datetime,
        now: datetime,
    ) -> Iterator[_Day]:
        """Yield the days on which `symbol` is listed, cut to the range and to `now`."""
        if symbol is None or symbol not in LISTING_OF:
            known = ", ".join(sorted(LISTING_OF))
            raise TerminalError(f"the simulator has no symbol {symbol!r}; it has {known}")
        if timeframe != TIMEFRAME:
            raise TerminalError(f"the simulator has no {timeframe!r} bars, only {TIMEFRAME!r}")
        listing_id = LISTING_OF[symbol]
        market = MARKETS[listing_id]
        first, last = _minute(start), _minute(min(end, now))
        open_from = (now - UNIX_EPOCH) // MINUTE
        for number, path in enumerate(_paths(listing_id, market)):
            midnight = _minute(FIRST_DAY) + number * MINUTES_PER_DAY
            date = f"{FIRST_DAY + number * DAY:%Y-%m-%d}"
            if midnight >= last:
                return
            if midnight + MINUTES_PER_DAY <= first or not _is_listed(symbol, date):
                continue
            seed = f"{listing_id} {date}"
            ticks = -((FIRST_DAY + number * DAY - now) // TICK)
            bars = _simulate(seed, market, path, midnight, min(ticks, TICKS_PER_DAY))
            if self._revision:
                bars = _corrected(seed, bars, self._revision, midnight, open_from)
            bars = bars.where((bars.minute >= first) & (bars.minute < last))
            table = _table(symbol, market, bars)
            yield _Day(seed, number, midnight, market, bars, table, open_from)


def _minute(time: datetime) -> int:
    """Return the first whole minute since 1970 that does not start before `time`."""
    return -((UNIX_EPOCH - time) // MINUTE)


def _random(seed: str) -> np.random.RandomState:
    """Return a generator for `seed`, of the kind whose stream numpy promises never to change."""
    digest = hashlib.sha256(f"tapehouse simulator {seed}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, ">u4").astype(np.uint32))


def _is_listed(symbol: str, date: str) -> bool:
    current = {each.listing_id: each for each in LISTINGS if each.effective_date <= date}
    return any(each.symbol == symbol and each.status == "active" for each in current.values())


def _paths(listing_id: str, market: Market) -> Iterator[_Path]:
    """Yield the path of every day from the first on.

    The logarithm of volatility is an autoregression, so that calm and wild days come in runs.
    """
    draw = _random(f"{listing_id} days").standard_normal
    usual = market.volatility / math.sqrt(365)
    spread = VOLATILITY_OF_VOLATILITY**2 / (1 - VOLATILITY_PERSISTENCE**2)
    level, wildness = math.log(market.price), 0.0
    while True:
        wildness = VOLATILITY_PERSISTENCE * wildness + VOLATILITY_OF_VOLATILITY * draw()
        volatility = usual * math.exp(wildness - spread)
        next_level = level + volatility * draw()
        yield _Path(level, next_level, volatility)
        level = next_level


def _simulate(seed: str, market: Market, path: _Path, midnight: int, ticks: int) -> _Bars:
    """Return the bars of a day's first `ticks` ticks, on a Brownian bridge from start to end.

    Every draw is made for the whole day, so that `ticks` changes none of them.
    """
    random = _random(seed)
    steps = random.standard_normal(TICKS_PER_DAY)
    size_factors = random.lognormal(0, TRADE_SIZE_SPREAD, TICKS_PER_DAY)
    trades = 1 + random.poisson(market.trades_per_tick, TICKS_PER_DAY)
    has_trades = random.random_sample(MINUTES_PER_DAY) >= EMPTY_MINUTES

    elapsed = np.arange(TICKS_PER_DAY) / TICKS_PER_DAY
    walk = np.concatenate(([0.0], np.cumsum(steps))) * path.volatility / math.sqrt(TICKS_PER_DAY)
    bridge = path.start + walk[:-1] + elapsed * (path.end - path.start - walk[-1])
    price = _units(np.exp(bridge), market.decimals)[:ticks]
    restless = 0.5 + np.abs(steps)
    volume = _units(trades * market.trade_size * size_factors * restless, VOLUME_DECIMALS)[:ticks]

    opens = np.arange(0, ticks, TICKS_PER_MINUTE)
    closes = np.minimum(opens + TICKS_PER_MINUTE, ticks) - 1
    bars = _Bars(
        minute=midnight + np.arange(len(opens)),
        open=price[opens],
        high=np.maximum.reduceat(price, opens),
        low=np.minimum.reduceat(price, opens),
        close=price[closes],
        volume=np.add.reduceat(volume, opens),
        trade_count=np.add.reduceat(trades[:ticks], opens),
    )
    return bars.where(has_trades[: len(opens)])


def _corrected(seed: str, bars: _Bars, revision: int, midnight: int, open_from: int) -> _Bars:
    """Return the bars with another close and volume in a few that are no longer open."""
    chosen = midnight + _random(f"{seed} corrections").permutation(MINUTES_PER_DAY)
    is_chosen = np.isin(bars.minute, chosen[:CORRECTIONS_PER_DAY]) & (bars.minute < open_from)
    close = bars.low + (bars.high - bars.low) * revision // (revision + 1)
    volume = bars.volume + revision * (bars.volume // 10 + 1)
    return replace(
        bars,
        close=np.where(is_chosen, close, bars.close),
        volume=np.where(is_chosen, volume, bars.volume),
    )


def _table(symbol: str, market: Market, bars: _Bars) -> pa.Table:
    rows = len(bars.minute)
    starts = np.datetime_as_string(bars.minute.astype("datetime64[m]"), unit="s", timezone="UTC")
    return pa.table(
        [
            pa.repeat(symbol, rows),
            pa.repeat(TIMEFRAME, rows),
            pa.array(starts, pa.string()),
            *(_text(getattr(bars, column), market.decimals) for column in PRICES),
            _text(bars.volume, VOLUME_DECIMALS),
            pc.cast(pa.array(bars.trade_count), pa.string()),
        ],
        schema=SCHEMA,
    )


def _units(values: Floats, decimals: int) -> Ints:
    """Return positive values in whole units of their last decimal, at least one."""
    units: Ints = np.rint(values * 10**decimals).astype(np.int64)
    return np.maximum(units, 1)


def _text(units: Ints, decimals: int) -> pa.Array:
    whole, rest = np.divmod(units, 10**decimals)
    padded = pc.utf8_lpad(pc.cast(pa.array(rest), pa.string()), decimals, "0")
    return pc.binary_join_element_wise(pc.cast(pa.array(whole), pa.string()), padded, ".")


def _injections(day: _Day) -> Iterator[_Injection]:
    """Yield the faults due on a day, in order of the bars they are put beside."""
    random = _random(f"{day.seed} faults")
    minutes = day.midnight + random.permutation(MINUTES_PER_DAY)[: len(CHANGES)]
    choices = random.randint(0, len(PRICES) * len(NUMBERS), len(CHANGES))
    due = [
        (int(minute), kind, int(choice))
        for turn, (kind, minute, choice) in enumerate(zip(CHANGES, minutes, choices, strict=True))
        if (day.number + turn) % DAYS_BETWEEN_FAULTS == 0 and minute < day.open_from
    ]
    for minute, kind, choice in sorted(due):
        for index in np.flatnonzero(day.bars.minute == minute):
            bar = _good_bar(day, int(index), choice)
            row = bar.row | CHANGES[kind](bar)
            if kind in QUARANTINED:
                fault = Fault(kind, str(row["start"]), "quarantined", kind)
            else:
                fault = Fault(kind, str(row["start"]), "superseded", None)
            yield _Injection(
                fault,
                row,
                ROWS_PER_MINUTE * minute + (-1 if kind == "conflicting_duplicate" else 1),
            )


def _good_bar(day: _Day, index: int, choice: int) -> _GoodBar:
    high, low = int(day.bars.high[index]), int(day.bars.low[index])
    row: Row = day.table.slice(index, 1).to_pylist()[0]
    return _GoodBar(
        row,
        below_low=_decimal(low - low // 100 - 1, day.market),
        above_high=_decimal(high + high // 100 + 1, day.market),
        other_close=_decimal(low if low < day.bars.close[index] else high, day.market),
        price=PRICES[choice % len(PRICES)],
        number=NUMBERS[choice % len(NUMBERS)],
        not_a_number=NOT_NUMBERS[day.number // DAYS_BETWEEN_FAULTS % len(NOT_NUMBERS)],
    )


def _decimal(units: int, market: Market) -> str:
    return str(Decimal(units).scaleb(-market.decimals))
