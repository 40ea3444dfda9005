"""One file per vendor that streams, and what they share: `runner` and `micro_batches`.

To add one: write its `Feed`, list it in `make_feed`, and its datasets in `STREAM_DATASETS`.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence

from ingest.clock import Clock, utc_now
from ingest.contracts import market_data
from ingest.lake import Lake
from ingest.provider import Dataset, Provider, TerminalError
from ingest.settings import Environment
from ingest.streams import alpaca, coinbase
from ingest.streams.micro_batches import Limits, Metrics, MicroBatches
from ingest.streams.runner import Feed, Fill, Patience, Stream, StreamReport

VENDORS = ("alpaca", "coinbase")

STREAM_DATASETS: Mapping[str, Mapping[str, Dataset]] = {
    "coinbase": coinbase.DATASETS,
    **{provider: alpaca.DATASETS for provider, _, _ in alpaca.FEEDS.values()},
    market_data.PROVIDER: market_data.DATASETS,
}
"""What lands by streaming only, by provider; streamed bars land with those asked for."""


def make_feed(
    vendor: str,
    symbols: Sequence[str],
    *,
    feed: str = "",
    channels: Sequence[str] = (),
    environment: Environment | None = None,
    providers: Mapping[str, Provider],
) -> Feed:
    """Return the feed of a vendor; `providers` are those asked over REST.

    Raises:
        TerminalError: there is no such vendor, feed or channel.
        AccessError: its key is not set.
    """
    if vendor == "coinbase":
        if feed:
            raise TerminalError("coinbase has one feed only: leave out --feed")
        return coinbase.CoinbaseFeed(symbols, channels, environment)
    if vendor == "alpaca":
        are_pairs = {"/" in symbol for symbol in symbols if symbol != "*"}
        if are_pairs == {True, False}:
            raise TerminalError("alpaca has one feed for stocks and one for pairs: run two streams")
        feed = feed or ("crypto" if are_pairs == {True} else "iex")
        if feed not in alpaca.FEEDS:
            raise TerminalError(f"alpaca has no feed {feed!r}: choose of {', '.join(alpaca.FEEDS)}")
        bars = providers[alpaca.FEEDS[feed][0]].datasets["bars"]
        return alpaca.AlpacaFeed(feed, symbols, channels, environment, bars=bars)
    raise TerminalError(f"{vendor!r} has no stream: choose of {', '.join(VENDORS)}")


def run_stream(
    lake: Lake,
    feed: Feed,
    fill: Fill,
    metrics: Metrics,
    *,
    limits: Limits | None = None,
    patience: Patience | None = None,
    clock: Clock = utc_now,
    say: Callable[[str], None],
) -> StreamReport:
    """Stream until SIGTERM or SIGINT, then land what is queued.

    Raises:
        ProviderError: the vendor refuses, and asking again cannot help.
        NotLandedError: the disk did not take the last messages.
    """

    async def run() -> StreamReport:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        batches = MicroBatches(lake, feed.provider, feed.datasets, metrics, limits or Limits())
        stream = Stream(feed, batches, fill, patience=patience, clock=clock, say=say)
        return await stream.run(stop)

    return asyncio.run(run())
