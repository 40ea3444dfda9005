"""Time as an argument: functions that need the time take a `Clock`.

Not for parsing vendor times: that is SQL's work.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)


def as_utc(value: datetime) -> datetime:
    """Return `value` in UTC; a time without an offset is taken to be UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def iso(value: datetime) -> str:
    """Return `value` as RFC 3339 text in UTC with microseconds, the form all ledgers use."""
    return as_utc(value).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_iso(text: str) -> datetime:
    """Return the UTC time that RFC 3339 `text` names.

    Raises:
        ValueError: `text` is not an ISO 8601 date or time.
    """
    return as_utc(datetime.fromisoformat(text))
