"""When there is nothing to ask for: ranges that lie wholly in closed time of a market.

Not for the official sessions that Silver goes by: those are landed by
`ingest.providers.exchange_calendars`, and rules for round-the-clock markets live in SQL.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

ALWAYS_OPEN = "24/7"
FX_WEEK = "FX"
EXTENDED_HOURS = {"XNYS": (time(4), time(20), NEW_YORK), "XNAS": (time(4), time(20), NEW_YORK)}
"""Exchanges for which vendors send bars before the open and after the close.

Trading begins at 04:00 and ends at 20:00 in New York.
Source: https://www.nyse.com/markets/hours-calendars
"""

FIRST_DATE = date(1990, 1, 1)
FX_CUT = time(17)
SUNDAY = 6


class UnknownCalendarError(ValueError):
    """No such calendar; the message says which there are."""


def is_closed(calendar: str, start: datetime, end: datetime) -> bool:
    """Return whether no moment of the range, half-open and in UTC, is in a session of `calendar`.

    What the library does not know, before 1990 and a year from today on, is taken to be open.

    Raises:
        UnknownCalendarError: the calendar is none of those known here or to the library.
    """
    if calendar == ALWAYS_OPEN or end <= start:
        return False
    if calendar == FX_WEEK:
        return _is_fx_weekend(start, end)
    if start.date() <= FIRST_DATE:
        return False
    opens, closes = _sessions(calendar)
    following = bisect_right(closes, start)  # the first session that ends after the start
    return following < len(opens) and opens[following] >= end


def _is_fx_weekend(start: datetime, end: datetime) -> bool:
    """Return whether a range lies between Friday and Sunday, 17:00 in New York."""
    sunday = start.astimezone(NEW_YORK).date()
    sunday += timedelta(days=(SUNDAY - sunday.weekday()) % 7)
    friday = sunday - timedelta(days=2)
    closes, opens = (datetime.combine(day, FX_CUT, NEW_YORK) for day in (friday, sunday))
    return closes <= start and end <= opens


@cache
def _sessions(calendar: str) -> tuple[Sequence[datetime], Sequence[datetime]]:
    """Return when each session opens and closes, in UTC, extended hours included."""
    import exchange_calendars as library  # noqa: PLC0415 - imports pandas: only when asked

    try:
        schedule = library.get_calendar(calendar, start=FIRST_DATE.isoformat()).schedule
    except library.errors.InvalidCalendarName as error:
        raise UnknownCalendarError(
            f"there is no calendar {calendar!r}: name {ALWAYS_OPEN!r}, {FX_WEEK!r} or one of the"
            " library exchange_calendars, such as 'XNYS'"
        ) from error
    if calendar not in EXTENDED_HOURS:
        return tuple(
            [moment.to_pydatetime() for moment in schedule[column]] for column in ("open", "close")
        )  # type: ignore[return-value]
    first, last, zone = EXTENDED_HOURS[calendar]
    days = [session.date() for session in schedule.index]
    return tuple(
        [datetime.combine(day, at, zone).astimezone(UTC) for day in days] for at in (first, last)
    )  # type: ignore[return-value]
