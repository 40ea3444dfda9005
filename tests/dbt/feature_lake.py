"""A market that is told bit by bit, and corrected later: shares, coins, texts, filings.

Each instrument is there once whole and once per cut, under a name of its own, with no more than
what was fetched by then: one build computes them all, and the cut ones know nothing of the future.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from ingest.clock import as_utc, iso
from ingest.lake import Lake, ready
from ingest.provider import Answer, Request
from ingest.settings import DataDir
from tests.dbt.landing import DATASETS, DAY, HOUR, MINUTE, NEW_YORK, sessions

FIRST, LAST = date(2022, 9, 19), date(2024, 1, 5)
FIRST_COIN_DAY = date(2023, 10, 2)
FIRST_MINUTE_DAY, MINUTE_DAYS = date(2023, 12, 18), 4
SHARES = ("EQA", "EQB")
COIN, MINUTE_COIN = "COA", "COB"
COINS = (COIN, MINUTE_COIN)
"""One is told by the hour, week by week; one by the minute, for some days, day by day."""
SPLITS = {"EQA": (date(2023, 6, 14), 2.0), "EQB": (date(2023, 12, 6), 3.0)}
DIVIDENDS = (
    ("EQA", date(2023, 3, 8), 0.5),
    ("EQA", date(2023, 9, 6), 0.3),
    ("EQB", date(2023, 10, 4), 1.25),
)
TOLD_BEFORE = timedelta(days=14)
TOLD_LATE = {("EQB", date(2023, 10, 4)): timedelta(42), ("EQB", date(2023, 12, 6)): timedelta(14)}
"""Actions are told before their ex-date, but for these, which are so long after it."""
SHARE_LAG, COIN_LAG = timedelta(minutes=15), timedelta(minutes=1)
"""The longest lags of any vendor of shares and of coins, in rules.precedence."""

Record = dict[str, str]
Question = tuple[str | None, str | None, datetime | None, datetime | None]
"""Symbol, timeframe, start and end of what is asked."""


@dataclass(frozen=True)
class Told:
    """A bar as it was told at some time; the first time counts as its regular one."""

    at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    def corrected(self, at: datetime, factor: float) -> "Told":
        prices = (self.open, self.high, self.low, self.close)
        changed = (round(price * factor, 4) for price in prices)
        return Told(at, *changed, round(self.volume * 1.5))


@dataclass
class Series:
    """The bars of one instrument, each as often as it was told."""

    symbol: str
    timeframe: str
    starts: list[datetime]
    ends: list[datetime]
    told: list[list[Told]]

    def told_after(self, moment: datetime) -> datetime:
        """Return when what is of a moment is told: with its week, or with its day."""
        if self.symbol == MINUTE_COIN:
            return datetime.combine(moment.date() + DAY, time(1), UTC)
        return week_after(moment)


@dataclass(frozen=True)
class Event:
    """What is fetched at one time, of one dataset and symbol."""

    at: datetime
    dataset: str
    symbol: str
    records: Callable[[str], Sequence[Record]]
    asked: tuple[datetime, datetime] | None = None


@dataclass
class World:
    """Everything that is ever told, and when."""

    days: list[date] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    articles: list[tuple[str, datetime, datetime | None, float]] = field(default_factory=list)
    """Of EQA: id, available at, superseded at, score."""


def make_world(seed: int = 5) -> World:
    rng = np.random.default_rng(seed)
    world = World([date.fromisoformat(s["session_date"]) for s in sessions(FIRST, LAST)])
    for symbol in SHARES:
        _share(world, symbol, rng)
    _coin(world, COIN, rng)
    _coin(world, MINUTE_COIN, rng)
    for symbol in SHARES:
        _news(world, symbol, rng)
    _actions(world)
    _filings(world)
    world.events.sort(key=lambda event: event.at)
    return world


def name_of(symbol: str, cut: int | None) -> str:
    """Return an instrument's symbol, whole or in a cut."""
    name = symbol if cut is None else f"{symbol}{cut:02}"
    return f"{name}/USD" if symbol in COINS else name


def instrument_of(symbol: str, cut: int | None = None) -> str:
    return f"{'crypto' if symbol in COINS else 'equity'}:{name_of(symbol, cut)}"


def make_cuts(count: int, seed: int = 23) -> list[datetime]:
    """Return random moments to cut the future off at.

    A third of them are when there are coins, half as many when one is told by the minute.
    """
    rng = np.random.default_rng(seed)
    coins = (FIRST_COIN_DAY, LAST)
    minutes = (FIRST_MINUTE_DAY + 2 * DAY, FIRST_MINUTE_DAY + (MINUTE_DAYS + 1) * DAY)
    spans = {0: coins, 3: coins, 1: minutes}
    chosen = [spans.get(number % 6, (FIRST + 60 * DAY, LAST)) for number in range(count)]
    return sorted(
        datetime.combine(first, time(), UTC) + (last - first) * float(rng.uniform())
        for first, last in chosen
    )


def land_world(data: DataDir, world: World, cuts: Sequence[datetime]) -> None:
    """Land each event once for the whole and once for each cut that comes after it."""
    now = [datetime(2022, 9, 1, tzinfo=UTC)]
    lake = Lake(data, clock=lambda: now[-1])
    calendar = Answer(
        Request("sessions", "XNYS"), now[0], sessions(date(2022, 9, 1), date(2024, 6, 28))
    )
    lake.land("exchange_calendars", DATASETS["exchange_calendars", "sessions"], [calendar])
    batches: dict[tuple[datetime, str], dict[Question, list[Record]]] = {}
    for event in world.events:
        living = [None, *(number for number, cut in enumerate(cuts) if cut >= event.at)]
        told = batches.setdefault((event.at, event.dataset), {})
        for cut in living:
            # Of what was asked for a range, the ledger says which symbol it was.
            symbol = instrument_of(event.symbol, cut) if event.asked else None
            timeframe = world.series[event.symbol].timeframe if event.dataset == "bars" else None
            question = (symbol, timeframe, *(event.asked or (None, None)))
            told.setdefault(question, []).extend(event.records(name_of(event.symbol, cut)))
    loaders = {
        dataset: lake.loader("inbox", DATASETS["inbox", dataset])
        for dataset in {event.dataset for event in world.events}
    }
    for (at, dataset), told in batches.items():
        now.append(at)
        answers = [
            Answer(Request(dataset, *question), at, records) for question, records in told.items()
        ]
        loaders[dataset].land([ready(answer, DATASETS["inbox", dataset]) for answer in answers])


def week_after(moment: datetime) -> datetime:
    """Return when the week of a moment is told: Saturday, one o'clock."""
    days = (5 - moment.weekday()) % 7 or 7
    return datetime.combine(moment.date() + timedelta(days=days), time(1), UTC)


# -- bars ------------------------------------------------------------------------------------------


def split_factor(symbol: str, day: date) -> float:
    """Return into how many shares one of the first session has become."""
    since, ratio = SPLITS.get(symbol, (date.max, 1.0))
    return ratio if day >= since else 1.0


def _walk(rng: np.random.Generator, count: int, volatility: float) -> list[tuple[float, ...]]:
    """Return open, high, low, close and volume of a random walk."""
    close = 100 * np.exp(np.cumsum(rng.normal(0.0004, volatility, count)))
    opened = np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0, volatility / 4, count))
    high = np.maximum(opened, close) * (1 + rng.exponential(volatility / 3, count))
    low = np.minimum(opened, close) * (1 - np.minimum(rng.exponential(volatility / 3, count), 0.3))
    volume = 1000 + np.floor(rng.exponential(1e5, count))
    return [tuple(bar) for bar in np.stack([opened, high, low, close, volume], axis=1).tolist()]


def _share(world: World, symbol: str, rng: np.random.Generator) -> None:
    ends = [as_utc(datetime.combine(day, time(16), NEW_YORK)) for day in world.days]
    starts = [datetime.combine(day, time(), UTC) for day in world.days]
    told = []
    for day, end, bar in zip(world.days, ends, _walk(rng, len(ends), 0.015), strict=True):
        divisor = split_factor(symbol, day)
        prices = [round(price / divisor, 4) for price in bar[:4]]
        told.append([Told(end, *prices, bar[4] * divisor)])
    series = Series(symbol, "1d", starts, ends, told)
    _tell(world, series, rng, corrections=10)


def _coin(world: World, symbol: str, rng: np.random.Generator) -> None:
    day, days, step, timeframe = {
        COIN: (FIRST_COIN_DAY, (LAST - FIRST_COIN_DAY).days, HOUR, "1h"),
        MINUTE_COIN: (FIRST_MINUTE_DAY, MINUTE_DAYS, MINUTE, "1m"),
    }[symbol]
    first = datetime.combine(day, time(), UTC)
    starts = [first + number * step for number in range(days * (DAY // step))]
    told = [
        [Told(start + step, *(round(price, 4) for price in bar[:4]), bar[4])]
        for start, bar in zip(starts, _walk(rng, len(starts), 0.004), strict=True)
    ]
    series = Series(symbol, timeframe, starts, [start + step for start in starts], told)
    _tell(world, series, rng, corrections=10)


def _tell(world: World, series: Series, rng: np.random.Generator, *, corrections: int) -> None:
    """Let every week, or day, be told after its end, and some bars otherwise on a later day."""
    world.series[series.symbol] = series
    batches: dict[datetime, list[int]] = {}
    for place, start in enumerate(series.starts):
        batches.setdefault(series.told_after(start), []).append(place)
    length = DAY if series.symbol == MINUTE_COIN else 7 * DAY
    for at, places in batches.items():
        since = at - length - HOUR
        asked = (since, since + length) if series.symbol in COINS else None
        told = [(place, series.told[place][0]) for place in places]
        world.events.append(_bars_told(series, at, told, asked))
    known_until = max(batches)
    per_day = DAY // (series.ends[0] - series.starts[0]) if series.symbol in COINS else 1
    chosen = rng.choice(len(series.ends) - 24, corrections, replace=False).tolist()
    if series.symbol in COINS:
        # The last bar of a day is the day's close.
        chosen = [
            place if number % 2 else place // per_day * per_day + per_day - 1
            for number, place in enumerate(chosen)
        ]
    for place in sorted(set(chosen)):
        factor = float(rng.uniform(0.95, 1.05))
        later = timedelta(hours=11)
        if series.symbol != MINUTE_COIN:
            later += timedelta(days=int(rng.integers(0, 12)) * 7 + 4)
        at = min(series.told_after(series.starts[place]) + later, known_until + timedelta(hours=11))
        corrected = series.told[place][0].corrected(at, factor)
        series.told[place].append(corrected)
        world.events.append(_bars_told(series, at, [(place, corrected)], None))


def _bars_told(
    series: Series,
    at: datetime,
    told: Sequence[tuple[int, Told]],
    asked: tuple[datetime, datetime] | None,
) -> Event:
    def records(name: str) -> Sequence[Record]:
        return [
            {
                "asset_class": instrument_of(series.symbol).partition(":")[0],
                "symbol": name,
                "timeframe": series.timeframe,
                "bar_start_at": iso(series.starts[place]),
                "open": repr(bar.open),
                "high": repr(bar.high),
                "low": repr(bar.low),
                "close": repr(bar.close),
                "volume": repr(bar.volume),
            }
            for place, bar in told
        ]

    return Event(at, "bars", series.symbol, records, asked)


# -- texts, actions, filings -----------------------------------------------------------------------


def _news(world: World, symbol: str, rng: np.random.Generator) -> None:
    """Let articles come out at any time, told with their week; some are changed a week later."""
    for number in range(80):
        hours = float(rng.uniform(0, (LAST - FIRST).days * 24 - 24 * 21))
        published = datetime.combine(FIRST, time(), UTC) + timedelta(seconds=int(hours * 3600))
        at = week_after(published)
        article_id, score = f"{symbol}-{number}", round(float(rng.uniform(-1, 1)), 3)
        changed = number % 4 == 0
        world.events.append(_article(symbol, article_id, published, score, at))
        if changed:
            updated = at + timedelta(days=2)
            again = at + timedelta(days=2 + number % 3, hours=6)
            later = round(float(rng.uniform(-1, 1)), 3)
            text = _article(symbol, article_id, published, later, again, updated=updated)
            world.events.append(text)
        if symbol == SHARES[0]:
            world.articles.append((article_id, published, again if changed else None, score))
            if changed:
                world.articles.append((article_id, again, None, later))


def _article(
    symbol: str,
    article_id: str,
    published: datetime,
    score: float,
    at: datetime,
    *,
    updated: datetime | None = None,
) -> Event:
    def records(name: str) -> Sequence[Record]:
        return [
            {
                "article_id": f"{article_id}-{name}",
                "published_at": iso(published),
                "updated_at": iso(updated) if updated else "",
                "headline": f"Something of {name}",
                "url": f"https://news.example/{article_id}-{name}",
                "source": "Example News",
                "asset_class": "equity",
                "symbols": json.dumps([name]),
                "sentiment_score": repr(score),
            }
        ]

    return Event(at, "news_articles", symbol, records)


def _actions(world: World) -> None:
    """Let splits and dividends be told two weeks before their ex-date, or after it."""
    told = [
        (symbol, day, {"action_type": "split", "ratio": repr(ratio)})
        for symbol, (day, ratio) in SPLITS.items()
    ] + [
        (symbol, day, {"action_type": "dividend", "amount": repr(amount), "currency": "USD"})
        for symbol, day, amount in DIVIDENDS
    ]
    for symbol, day, action in told:

        def records(name: str, day: date = day, action: Record = action) -> Sequence[Record]:
            return [{"asset_class": "equity", "symbol": name, "ex_date": day.isoformat(), **action}]

        at = action_told_at(symbol, day)
        asked = (datetime.combine(day, time(), UTC), datetime.combine(day + DAY, time(), UTC))
        world.events.append(Event(at, "corporate_actions", symbol, records, asked))


def action_told_at(symbol: str, day: date) -> datetime:
    """Return when the action of an ex-date is told."""
    return datetime.combine(day + TOLD_LATE.get((symbol, day), -TOLD_BEFORE), time(9), UTC)


QUARTERS = [
    (date(year, month - 2, 1), date(year, month, last))
    for year in (2021, 2022, 2023)
    for month, last in ((3, 31), (6, 30), (9, 30), (12, 31))
][:11]


def figures(number: int) -> dict[str, float]:
    """Return what is filed of a quarter, by concept."""
    revenue = 1000.0 + 35 * number
    return {
        "revenue": revenue,
        "gross_profit": 0.4 * revenue,
        "operating_income": 0.2 * revenue,
        "net_income": 0.1 * revenue + number,
        "operating_cash_flow": 0.15 * revenue,
        "capital_expenditure": 0.05 * revenue,
        "total_assets": 9000.0 + 100 * number,
        "total_liabilities": 5000.0 + 20 * number,
        "total_equity": 4000.0 + 80 * number,
        "shares_outstanding": 200.0 * (2 if QUARTERS[number][1] >= SPLITS["EQA"][0] else 1),
    }


BALANCE = ("total_assets", "total_liabilities", "total_equity", "shares_outstanding")
CASH_FLOW = ("operating_cash_flow", "capital_expenditure")
FILED_AFTER = timedelta(days=40)
RESTATED = ((7, date(2023, 5, 22), 1.1), (4, date(2023, 11, 20), 1.2))
"""Which quarter's income was restated, when, and by how much; one when no year had it any more."""


def _filings(world: World) -> None:
    for number, (_, end) in enumerate(QUARTERS):
        world.events.append(_filing(number, end + FILED_AFTER, 1.0, "10-Q"))
    for restated in RESTATED:
        world.events.append(_filing(*restated, "10-Q/A"))


def _filing(number: int, filed: date, factor: float, form: str) -> Event:
    start, end = QUARTERS[number]

    def records(name: str) -> Sequence[Record]:
        return [
            {
                "asset_class": "equity",
                "symbol": name,
                "statement": "balance" if concept in BALANCE
                else "cash_flow" if concept in CASH_FLOW else "income",
                "concept": concept,
                "period_start_date": "" if concept in BALANCE else start.isoformat(),
                "period_end_date": end.isoformat(),
                "value": repr(value * (1.0 if concept in BALANCE else factor)),
                "unit": "shares" if concept == "shares_outstanding" else "USD",
                "filed_at": filed.isoformat(),
                "form": form,
                "filing_id": f"{number}-{form}",
            }
            for concept, value in figures(number).items()
        ]  # fmt: skip

    # Known since midnight in New York.
    at = datetime.combine(max(filed, FIRST - 2 * DAY) + DAY, time(6), UTC)
    return Event(at, "fundamentals", SHARES[0], records)
