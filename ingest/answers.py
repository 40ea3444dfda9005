"""Read decoded answers: what has the shape that was expected, and what is put aside.

For bodies, `an_object`, `array` and `filled_array` refuse those of another shape as a whole. For
what is in them, `Found` keeps records, and as rejects what cannot be one: the others still count.
Nothing of one vendor belongs here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from ingest.clock import as_utc
from ingest.provider import Answer, Reject, Request
from ingest.records import encode_json

DATE_CHARACTERS = len("2026-01-01")


def an_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Return a JSON object.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, not {type(value).__name__}")
    return value


def array(value: Any) -> list[Any]:  # noqa: ANN401
    """Return a JSON array.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, list):
        raise TypeError(f"expected an array, not {type(value).__name__}")
    return value


def filled_array(value: Any) -> list[Any]:  # noqa: ANN401
    """Return an array that is the whole of a list: empty it would read as if all had vanished.

    Raises:
        TypeError: it is something else.
        ValueError: it is empty.
    """
    if not array(value):
        raise ValueError("expected a filled array, not an empty one")
    return array(value)


def moment(text: Any, zone: tzinfo) -> datetime | None:  # noqa: ANN401
    """Return when a row is, to compare it with what was asked; None where it cannot be read.

    Texts are local to `zone`, whatever they say; a date stands for 00:00 UTC, as in all ranges of
    days.
    """
    text = str(text)
    try:
        local = datetime.fromisoformat(text)
        return as_utc(local.replace(tzinfo=UTC if len(text) <= DATE_CHARACTERS else zone))
    except (ValueError, OverflowError):
        return None


@dataclass
class Found:
    """What was found in the answers to one request."""

    records: list[Any] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, error: str, item: Any) -> None:  # noqa: ANN401
        """Put aside what cannot be a record."""
        self.rejects.append(Reject(error, encode_json(item)))

    def fitting(
        self, items: Iterable[Any], fits: Callable[[Any], bool], expected: str
    ) -> list[Any]:
        """Return the items that fit, and put the others aside."""
        good = []
        for item in items:
            if fits(item):
                good.append(item)
            else:
                self.reject(f"expected {expected}", item)
        return good

    def objects(self, items: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the items that are objects, and put the others aside."""
        return self.fitting(items, lambda item: isinstance(item, dict), "an object")

    def arrays(self, items: Iterable[Any], length: int) -> list[list[Any]]:
        """Return the items that are arrays of `length` values, and put the others aside."""
        return self.fitting(
            items,
            lambda item: isinstance(item, list) and len(item) == length,
            f"an array of {length} values",
        )

    def answer(self, request: Request, fetched_at: datetime, *, is_complete: bool = True) -> Answer:
        """Return the answer to a request, which is not complete with something put aside."""
        return Answer(
            request,
            fetched_at,
            self.records,
            tuple(self.rejects),
            is_complete=is_complete and not self.rejects,
        )
