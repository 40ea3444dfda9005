"""What Coinbase and Alpaca stream and other programs send, landed as `ingest.streams` lands it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ingest.clock import parse_iso
from ingest.contracts import market_data
from ingest.contracts.market_data import read_message
from ingest.lake import Lake
from ingest.provider import Dataset
from ingest.settings import Environment
from ingest.streams.alpaca import AlpacaFeed
from ingest.streams.coinbase import CoinbaseFeed
from ingest.streams.micro_batches import Message, Metrics, MicroBatches
from ingest.streams.runner import Feed
from tests.dbt.landing import DATASETS, Landing
from tests.fake_vendors import alpaca_stream as alpaca
from tests.fake_vendors.alpaca_stream import frame
from tests.fake_vendors.coinbase_stream import last_match, match, ticker

DAY = "2026-11-20"


def land(lake: Landing) -> None:
    """Land trades with corrections, bars with updates, what REST then says, and sent messages."""
    lake.land(
        *(
            "alpaca",
            "assets",
            [
                _asset(name, of)
                for name, of in [
                    *(("STRM", "us_equity"), ("STRM/USD", "crypto")),
                    *(("STRM2", "us_equity"), ("STRM2/USD", "crypto")),
                ]
            ],
        ),
        fetched="2026-11-19T00:00Z",
        is_complete=False,
    )
    _land_alpaca_trades(lake)
    _land_other_alpaca_feeds(lake)
    _land_alpaca_bars(lake)
    _land_coinbase(lake)
    _land_served(lake)


def _land_alpaca_trades(lake: Landing) -> None:
    """Two trades stand, one is corrected twice, one cancelled, and one is sent again after it."""
    feed = _alpaca("iex", "STRM", channels=("trades", "quotes"))
    trades = [alpaca.trade(number, symbol="STRM") for number in (1, 2, 3, 4)]
    _stream(lake, feed, f"{DAY}T15:00:05Z", frame(*trades))
    _stream(
        *(lake, feed, f"{DAY}T15:00:10Z"),
        frame(
            alpaca.correction(21, 2, "100.05", symbol="STRM"),
            alpaca.cancellation(3, symbol="STRM"),
        ),
    )
    _stream(
        *(lake, feed, f"{DAY}T15:00:15Z"),
        frame(
            # The trade as it was before it was cancelled, after a reconnection.
            alpaca.trade(3, symbol="STRM"),
            alpaca.quote(1, "100.00", "100.20", symbol="STRM"),
            alpaca.quote(2, "0", "100.30", symbol="STRM"),
        ),
    )


def _land_other_alpaca_feeds(lake: Landing) -> None:
    """Land a trade and a quote of the consolidated tape, and a quote of a pair."""
    tape = _alpaca("sip", "STRM2", channels=("trades", "quotes"))
    quote = alpaca.quote(1, "100.00", "100.20", symbol="STRM2")
    _stream(lake, tape, f"{DAY}T15:00:05Z", frame(alpaca.trade(1, symbol="STRM2"), quote))
    pair = _alpaca("crypto", "STRM2/USD", channels=("quotes",))
    quote = alpaca.quote(1, "100.00", "100.20", symbol="STRM2/USD")
    _stream(lake, pair, f"{DAY}T15:00:05Z", frame(quote))


def _land_alpaca_bars(lake: Landing) -> None:
    """Land three minutes: one as first sent, one sent again, one confirmed by REST."""
    feed = _alpaca("crypto", "STRM/USD", channels=("bars", "updatedBars"))

    def bar(minute: int, close: str, kind: str = "b") -> str:
        return alpaca.bar(minute, close, kind=kind, symbol="STRM/USD")

    _stream(lake, feed, f"{DAY}T15:01:00.500Z", frame(bar(0, "101")))
    _stream(lake, feed, f"{DAY}T15:02:00.500Z", frame(bar(1, "102")))
    _stream(lake, feed, f"{DAY}T15:02:30Z", frame(bar(1, "102.25", "u")))
    _stream(lake, feed, f"{DAY}T15:03:00.500Z", frame(bar(2, "103"), bar(2, "103.25", "u")))
    lake.land(
        "alpaca",
        "bars",
        [
            {
                "t": f"{DAY}T15:02:00Z",
                "o": "100",
                "h": "120",
                "l": "80",
                "c": "103.5",
                "v": "1500",
                "n": "12",
                "vw": "100.5",
            }
        ],
        fetched=f"{DAY}T15:30:00Z",
        symbol="STRM/USD",
        timeframe="1m",
        asked=(f"{DAY}T15:02:00Z", f"{DAY}T15:03:00Z"),
    )


def _land_coinbase(lake: Landing) -> None:
    """Land trades of two connections; the second begins with the last trade of the first."""
    feed = CoinbaseFeed(["BTC/USD"], (), Environment({}))
    _stream(lake, feed, f"{DAY}T10:00:05Z", last_match(1), match(2, price="60000.20"), ticker(9))
    _stream(
        *(lake, feed, f"{DAY}T10:00:30Z"),
        *(last_match(2, price="60000.20"), match(3, price="-1"), match(4)),
    )


def _land_served(lake: Landing) -> None:
    """Land a trade, a quote, and a bar that is sent again otherwise."""
    common = '"source":"bot-1","asset_class":"crypto","symbol":"SERVED/USD"'
    bar = (
        '{"kind":"bar",%s,"timeframe":"1m","bar_start_at":"2026-11-20T15:00:00Z",'
        '"open":100,"high":120,"low":80,"close":%s,"volume":5}'
    )
    _send(
        *(lake, f"{DAY}T15:02:00Z"),
        f'{{"kind":"trade",{common},"trade_id":"7","traded_at":"{DAY}T16:00:00+01:00",'
        '"price":100.5,"size":2,"side":"sell"}',
        f'{{"kind":"quote",{common},"quoted_at":"{DAY}T15:00:00Z","bid_price":100,"bid_size":1,'
        '"ask_price":101,"ask_size":2}',
        bar % (common, "101"),
    )
    _send(lake, f"{DAY}T15:03:00Z", bar % (common, "102"))


def _alpaca(feed: str, *symbols: str, channels: Sequence[str]) -> AlpacaFeed:
    keys = Environment({"APCA_API_KEY_ID": alpaca.KEY, "APCA_API_SECRET_KEY": alpaca.SECRET})
    return AlpacaFeed(feed, symbols, channels, keys, bars=DATASETS["alpaca", "bars"])


def _stream(lake: Landing, feed: Feed, fetched: str, *frames: str) -> None:
    """Land frames of a feed as one micro-batch that arrived at the time given."""
    at = parse_iso(fetched)
    messages = [
        Message(told.dataset, told.content, at, told.symbol, told.timeframe)
        for text in frames
        for told in feed.read(text)[0]
        if told.dataset is not None and told.content is not None
    ]
    _land(lake, feed.provider, feed.datasets, messages)


def _send(lake: Landing, fetched: str, *texts: str) -> None:
    """Land messages of another program as one micro-batch."""
    messages = []
    for text in texts:
        message, record = read_message(text)
        symbol = f"{message.asset_class}:{message.symbol}"
        dataset = market_data.DATASET_OF[message.kind]
        at = parse_iso(fetched)
        messages.append(Message(dataset, record, at, symbol, record.get("timeframe")))
    _land(lake, market_data.PROVIDER, market_data.DATASETS, messages)


def _land(lake: Landing, provider: str, datasets: Any, messages: Sequence[Message]) -> None:  # noqa: ANN401 - by name
    at = messages[-1].arrived_at
    own: dict[str, Dataset] = dict(datasets)

    async def run() -> None:
        target = Lake(lake.data, clock=lambda: at)
        batches = MicroBatches(target, provider, own, Metrics(provider))
        for message in messages:
            await batches.put(message)
        batches.close()
        await batches.run()

    asyncio.run(run())


def _asset(symbol: str, asset_class: str) -> dict[str, str]:
    return {
        "id": f"asset-{symbol}",
        "class": asset_class,
        "exchange": "NASDAQ" if asset_class == "us_equity" else "CRYPTO",
        "symbol": symbol,
        "name": f"{symbol} of the streams",
        "status": "active",
        "tradable": "true",
    }
