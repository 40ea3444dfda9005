"""When a market is closed: weekends, holidays, nights, and the hour that moves twice a year."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from ingest.calendars import UnknownCalendarError, is_closed
from ingest.settings import PROJECT_ROOT

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning")


def closed(calendar: str, start: str, end: str) -> bool:
    """Ask in UTC."""
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)]
    return is_closed(calendar, *moments)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-07-06", "2024-07-08", True),  # a weekend, for daily bars
        ("2024-07-05", "2024-07-06", False),
        ("2024-07-04", "2024-07-05", True),  # Independence Day
        ("2024-07-03", "2024-07-04", False),  # the half day before it
        ("2024-07-03T21:00", "2024-07-03T22:00", False),  # after its early close, late trading
        ("2024-07-08T00:00", "2024-07-08T08:00", True),  # a summer night: 04:00 is 08:00Z
        ("2024-07-08T00:00", "2024-07-08T08:01", False),
        ("2024-01-08T00:00", "2024-01-08T08:30", True),  # a winter night: 04:00 is 09:00Z
        ("2024-01-08T00:00", "2024-01-08T09:01", False),
        ("2024-01-09T00:59", "2024-01-09T05:00", False),  # late trading ends at 20:00, 01:00Z
        ("2024-01-09T01:00", "2024-01-09T05:00", True),
        ("2024-03-08T09:00", "2024-03-11T07:59", False),
        ("2024-03-09T01:00", "2024-03-11T08:00", True),  # the clocks went forward in between
        ("2024-03-09T01:00", "2024-03-11T08:01", False),
        ("2024-11-02T00:00", "2024-11-04T09:00", True),  # and back
        ("2024-11-02T00:00", "2024-11-04T09:01", False),
        ("2001-09-11T14:00", "2001-09-14T20:00", True),  # closed without notice
        ("1985-01-05", "1985-01-06", False),  # before what the library is asked for
        ("2199-01-05", "2199-01-06", False),  # after all it knows
        ("2024-07-06", "2024-07-06", False),  # nothing to leave out
    ],
)
def test_shares(start: str, end: str, expected: bool) -> None:
    assert closed("XNYS", start, end) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-07-05T21:00", "2024-07-07T21:00", True),  # summer: 17:00 in New York is 21:00Z
        ("2024-07-05T20:59", "2024-07-07T21:00", False),
        ("2024-07-05T21:00", "2024-07-07T21:01", False),
        ("2024-01-05T22:00", "2024-01-07T22:00", True),  # winter: 22:00Z
        ("2024-01-05T21:59", "2024-01-07T22:00", False),
        ("2024-03-08T22:00", "2024-03-10T21:00", True),  # the weekend of the change
        ("2024-03-08T22:00", "2024-03-10T21:01", False),
        ("2024-11-01T21:00", "2024-11-03T22:00", True),
        ("2024-07-06", "2024-07-07", True),
        ("2024-07-01T22:00", "2024-07-02T01:00", False),  # open at night
        ("2024-07-05T21:00", "2024-07-14T21:00", False),  # a week lies between the weekends
    ],
)
def test_currencies(start: str, end: str, expected: bool) -> None:
    assert closed("FX", start, end) is expected


def test_coins_are_never_closed() -> None:
    assert not closed("24/7", "2024-07-06", "2024-07-07")


def test_other_exchanges_have_no_extended_hours() -> None:
    assert closed("XLON", "2024-07-08T00:00", "2024-07-08T07:00")
    assert not closed("XLON", "2024-07-08T00:00", "2024-07-08T07:01")


def test_an_unknown_calendar_is_refused() -> None:
    with pytest.raises(UnknownCalendarError, match="no calendar 'NOWHERE': name '24/7', 'FX' or"):
        closed("NOWHERE", "2024-07-06", "2024-07-07")


def test_the_library_is_loaded_only_for_exchanges() -> None:
    program = (
        "import sys; from datetime import UTC, datetime\n"
        "from ingest.calendars import is_closed\n"
        "days = datetime(2024, 7, 6, tzinfo=UTC), datetime(2024, 7, 7, tzinfo=UTC)\n"
        "assert is_closed('FX', *days) and not is_closed('24/7', *days)\n"
        "assert 'pandas' not in sys.modules and 'exchange_calendars' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT_ROOT)
