"""A local feed of Coinbase Exchange, over real WebSockets, as its documentation describes it.

Messages are literal JSON text, so that a test can follow a number's text from the wire to the lake.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

import json
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection

from tests.fake_vendors.stream import FakeStream


@dataclass
class FakeCoinbaseStream(FakeStream):
    """The feed, which knows `products`; `is_mute` says nothing, not even to a subscription."""

    products: tuple[str, ...] = ("BTC-USD", "ETH-USD")
    is_mute: bool = False
    error: str = ""

    async def log_in(self, socket: ServerConnection) -> bool:
        """Answer subscriptions until one is good; one unknown product spoils it."""
        while True:
            asked = json.loads(await self.hear(socket))
            assert asked["type"] == "subscribe"
            if self.is_mute:
                return True
            if self.error:
                await socket.send(self.error)
                return False
            unknown = [name for name in asked["product_ids"] if name not in self.products]
            if not unknown:
                break
            await socket.send(failed_to_subscribe(f"{unknown[0]} is not a valid product"))
        channels = [
            {"name": name, "product_ids": asked["product_ids"]} for name in asked["channels"]
        ]
        await socket.send(json.dumps({"type": "subscriptions", "channels": channels}))
        return True


def failed_to_subscribe(reason: str) -> str:
    return json.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason})


def match(
    trade_id: int, *, product: str = "BTC-USD", price: str = "60000.10", kind: str = "match"
) -> str:
    """Return a trade; the time of trade N is N seconds past 10:00."""
    at = f"2026-11-20T10:{trade_id // 60 % 60:02}:{trade_id % 60:02}.100000Z"
    return (
        f'{{"type":"{kind}","trade_id":{trade_id},"maker_order_id":"m{trade_id}",'
        f'"taker_order_id":"t{trade_id}","side":"sell","size":"0.01000000","price":"{price}",'
        f'"product_id":"{product}","sequence":{1000 + 7 * trade_id},"time":"{at}"}}'
    )


def last_match(trade_id: int, *, product: str = "BTC-USD", price: str = "60000.10") -> str:
    return match(trade_id, product=product, price=price, kind="last_match")


def heartbeat(last_trade_id: int, product: str = "BTC-USD") -> str:
    return (
        f'{{"type":"heartbeat","sequence":{5000 + last_trade_id},"last_trade_id":{last_trade_id},'
        f'"product_id":"{product}","time":"2026-11-20T10:00:00.000000Z"}}'
    )


def ticker(sequence: int, product: str = "BTC-USD") -> str:
    return (
        f'{{"type":"ticker","sequence":{sequence},"product_id":"{product}","price":"60000.10",'
        '"open_24h":"59000.00","volume_24h":"1234.50000000","low_24h":"58000.00",'
        '"high_24h":"61000.00","volume_30d":"99999.00000000","best_bid":"60000.09",'
        '"best_bid_size":"0.50000000","best_ask":"60000.11","best_ask_size":"0.25000000",'
        f'"side":"buy","time":"2026-11-20T10:00:01.000000Z","trade_id":{sequence},'
        '"last_size":"0.01000000"}'
    )
