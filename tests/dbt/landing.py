"""Records as vendors send them, landed in a lake at chosen times through `ingest.lake`.

Nothing here asks a vendor, and nothing here knows what SQL makes of a record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ingest.clock import as_utc, iso, parse_iso
from ingest.lake import Lake
from ingest.provider import Answer, Dataset, Request
from ingest.providers import inbox, make_providers
from ingest.settings import DataDir, Settings
from ingest.streams import STREAM_DATASETS

NEW_YORK = ZoneInfo("America/New_York")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def declared_datasets() -> Mapping[tuple[str, str], Dataset]:
    """Return every dataset that can land, by provider and name."""
    providers = make_providers(Settings.model_construct()).values()
    return {
        (name, dataset.name): dataset
        for name, datasets in (
            *((provider.name, provider.datasets) for provider in providers),
            (inbox.PROVIDER, inbox.DATASETS),
            *STREAM_DATASETS.items(),
        )
        for dataset in datasets.values()
    }


DATASETS = declared_datasets()


@dataclass(frozen=True)
class Landing:
    """A lake in the making: each `land` is one batch, fetched at the time given."""

    data: DataDir

    def land(
        self,
        provider: str,
        dataset: str,
        records: Sequence[Any] = (),
        *,
        fetched: str,
        symbol: str | None = None,
        timeframe: str | None = None,
        asked: tuple[str, str] | None = None,
        is_complete: bool = True,
    ) -> Path:
        """Land one answer and return its batch file."""
        start, end = map(parse_iso, asked) if asked else (None, None)
        request = Request(dataset, symbol, timeframe, start, end)
        answer = Answer(request, parse_iso(fetched), records, is_complete=is_complete)
        lake = Lake(self.data, clock=lambda: parse_iso(fetched))
        batch = lake.land(provider, DATASETS[provider, dataset], [answer])
        (path,) = self.data.raw.glob(f"{provider}/{dataset}/*/{batch.batch_id}.parquet")
        return path

    def files(self) -> list[Path]:
        """Return every batch file, oldest first."""
        return sorted(self.data.raw.glob("*/*/*/*.parquet"), key=lambda path: path.name)


@dataclass(frozen=True)
class Bar:
    """One bar, as numbers whose text is what is sent."""

    start: datetime
    close: str
    high: str = "120"
    low: str = "80"
    open: str = "100"
    volume: str = "10"


def bars(start: str, count: int, step: timedelta, close: float = 100) -> list[Bar]:
    """Return `count` good bars whose closes rise by a half from `close` on."""
    first = parse_iso(start)
    return [Bar(first + number * step, f"{close + number % 30 / 2:g}") for number in range(count)]


def coinbase_bars(of: Iterable[Bar]) -> list[list[str]]:
    return [
        [f"{bar.start.timestamp():.0f}", bar.low, bar.high, bar.open, bar.close, bar.volume]
        for bar in of
    ]


def simulator_bars(symbol: str, of: Iterable[Bar]) -> list[dict[str, str]]:
    return [
        {
            **_prices(bar),
            "symbol": symbol,
            "timeframe": "1m",
            "start": iso(bar.start),
            "trade_count": "3",
        }
        for bar in of
    ]


def inbox_bars(
    asset_class: str, symbol: str, timeframe: str, of: Iterable[Bar]
) -> list[dict[str, str]]:
    return [
        {
            **_prices(bar),
            "asset_class": asset_class,
            "symbol": symbol,
            "timeframe": timeframe,
            "bar_start_at": iso(bar.start),
        }
        for bar in of
    ]


def sample_bars(
    ticker: str, of: Iterable[Bar], adj_close: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Return daily bars in the sample's spelling; the adjusted close is the close unless given."""
    adjusted = adj_close or {}
    return [
        {
            **{name.title(): text for name, text in _prices(bar).items()},
            "Ticker": ticker,
            "Date": f"{bar.start:%Y-%m-%d}",
            "Adj Close": adjusted.get(f"{bar.start:%Y-%m-%d}", bar.close),
        }
        for bar in of
    ]


def listing(listing_id: str, symbol: str, effective_date: str, **changed: str) -> dict[str, str]:
    """Return a dated listing as the sample and the simulator give them."""
    return {
        "listing_id": listing_id,
        "asset_class": "equity",
        "symbol": symbol,
        "name": f"{symbol} Inc.",
        "exchange": "XNAS",
        "currency": "USD",
        "status": "active",
        "effective_date": effective_date,
        **changed,
    }


def product(product_id: str, **changed: str) -> dict[str, str]:
    """Return a product as Coinbase lists it."""
    base, _, quote = product_id.partition("-")
    return {
        "id": product_id,
        "base_currency": base,
        "quote_currency": quote,
        "display_name": product_id.replace("-", "/"),
        "status": "online",
        **changed,
    }


def sessions(first: date, last: date, half_days: Iterable[date] = ()) -> list[dict[str, str]]:
    """Return the New York Stock Exchange's sessions as if it knew no holiday but weekends."""
    early = frozenset(half_days)
    days = (first + number * DAY for number in range((last - first).days + 1))
    return [
        {
            "calendar": "XNYS",
            "session_date": day.isoformat(),
            "open_at": _new_york(day, time(9, 30)),
            "close_at": _new_york(day, time(13) if day in early else time(16)),
            "is_early_close": str(day in early).lower(),
            "library_version": "0",
        }
        for day in days
        if day.isoweekday() <= 5
    ]


def _prices(bar: Bar) -> dict[str, str]:
    return {
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
    }


def _new_york(day: date, clock_time: time) -> str:
    return iso(as_utc(datetime.combine(day, clock_time, NEW_YORK)))
