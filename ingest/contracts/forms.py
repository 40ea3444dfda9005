r"""Forms of values that contracts share, in regular expressions that JSON Schema can publish too.

They keep to what all dialects read alike: no `\d`, `\s` or lookahead. Not for contracts.
"""

from typing import Any

from ingest.symbols import PAIR, PAIRS, TICKER

DATE = (
    "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
)
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
OFFSET = "(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"


def whole(form: str, around: str = "") -> str:
    """Return the pattern of a text that has a form, and nothing but `around` it."""
    return f"^{around}({form}){around}$"


def symbol_rule(around: str = "") -> dict[str, Any]:
    """Return in JSON Schema what `canonical_example` checks."""

    def spelled(form: str) -> dict[str, Any]:
        return {"properties": {"symbol": {"pattern": whole(form, around)}}}

    return {
        "if": {"properties": {"asset_class": {"enum": list(PAIRS)}}},
        "then": spelled(PAIR.pattern),
        "else": spelled(TICKER.pattern),
    }
