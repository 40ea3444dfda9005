"""How vendors spell symbols: the one place that turns a canonical symbol into a vendor's.

Canonical are `BRK.B` for share classes and `BTC/USD`, `EUR/USD` for pairs. The way back, from what
a vendor lists, is the macro `canonical_symbol` in dbt. A symbol says nothing of its asset class:
`BF-B` and `BTC-USD` look the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

PAIRS = ("crypto", "fx")
"""Asset classes whose symbols are `BASE/QUOTE`."""


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
