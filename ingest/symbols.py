"""How symbols are spelled: what is canonical, and how a canonical one becomes a vendor's.

Canonical are `BRK.B` for share classes and `BTC/USD`, `EUR/USD` for pairs. The way back, from what
a vendor lists, is the macro `canonical_symbol` in dbt. A symbol says nothing of its asset class:
`BF-B` and `BTC-USD` look the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PAIRS = ("crypto", "fx")
"""Asset classes whose symbols are `BASE/QUOTE`."""

PAIR = re.compile(r"[A-Z0-9]{1,20}(-[A-Z0-9]{1,20})?/[A-Z0-9]{2,20}")
TICKER = re.compile(r"\^?[A-Z0-9]{1,15}(\.[A-Z0-9]{1,5})?")
EXAMPLES = {"crypto": "BTC/USD", "fx": "EUR/USD"}
EXAMPLE_TICKER = "BRK.B"


def canonical_example(symbol: str, asset_class: str) -> str | None:
    """Return how symbols of an asset class are written, where `symbol` is not; else None."""
    is_pair = asset_class in PAIRS
    if (PAIR if is_pair else TICKER).fullmatch(symbol):
        return None
    return EXAMPLES[asset_class] if is_pair else EXAMPLE_TICKER


@dataclass(frozen=True)
class Spelling:
    """A vendor's separators, and the currencies it calls by other names."""

    share_class: str = "."
    pair: str = "/"
    currencies: Mapping[str, str] = field(default_factory=dict)

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return the vendor's spelling of a canonical symbol."""
        if asset_class in PAIRS:
            return self.pair.join(self.currencies.get(c, c) for c in symbol.split("/"))
        return symbol.replace(".", self.share_class)
