"""Keep secrets out of everything that is written or shown."""

import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return every way secrets may be written, in addresses and JSON too, longest first."""
    written = {
        form
        for secret in secrets
        if secret
        for form in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
        )
    }
    return tuple(sorted(written, key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every non-empty secret replaced by a mask."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return text
