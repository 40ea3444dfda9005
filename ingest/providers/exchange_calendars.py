"""Trading sessions of exchanges, as dated extracts of the `exchange_calendars` library.

Source: https://github.com/gerrymanoim/exchange_calendars. The library's default range moves every
day, so the range is explicit: 1990-01-01 to the end of next year. Its version is landed with every
row. Round-the-clock calendars (crypto, FX) are rules and live in SQL, not here.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from ingest.clock import Clock, iso, utc_now
from ingest.lake import Entry
from ingest.provider import Answer, Dataset, Request, TerminalError, fields

FIRST_DATE = "1990-01-01"
CALENDARS = ("XNYS",)
LIBRARY_VERSION = version("exchange_calendars")


class ExchangeCalendars:
    """Official open and close of every session, half days included."""

    name = "exchange_calendars"
    datasets: Mapping[str, Dataset] = {
        "sessions": Dataset(
            "sessions",
            fields(
                "calendar",
                "session_date",
                "open_at",
                "close_at",
                "is_early_close",
                "library_version",
            ),
            kind="extract",
        )
    }

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Ask for every calendar in use."""
        params = {"end": self._last_date(), "library_version": LIBRARY_VERSION}
        return [Request(dataset, calendar, params=params) for calendar in CALENDARS]

    def is_current(self, landed: Iterable[Entry]) -> bool:
        """Return whether `landed` answers what would be asked now."""
        wanted = {(r.symbol, tuple(r.params.items())) for r in self.default_request("sessions")}
        return wanted <= {(entry.symbol, tuple(entry.params.items())) for entry in landed}

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return a symbol as it is."""
        del asset_class
        return symbol

    def split(self, request: Request) -> Iterable[Request]:
        """Keep requests whole."""
        return [request]

    async def fetch(self, request: Request) -> Answer:
        """Compute the sessions of one calendar.

        Raises:
            TerminalError: the library has no such calendar.
        """
        import exchange_calendars as library  # noqa: PLC0415 - imports pandas: only when asked

        now = self._clock()
        try:
            calendar = library.get_calendar(
                request.symbol or "",
                start=FIRST_DATE,
                end=request.params.get("end", self._last_date()),
            )
        except library.errors.InvalidCalendarName as error:
            raise TerminalError(f"exchange_calendars has no calendar {request.symbol!r}") from error
        early = set(calendar.early_closes)
        records = [
            {
                "calendar": request.symbol,
                "session_date": session.strftime("%Y-%m-%d"),
                "open_at": iso(row.open.to_pydatetime()),
                "close_at": iso(row.close.to_pydatetime()),
                "is_early_close": session in early,
                "library_version": LIBRARY_VERSION,
            }
            for session, row in calendar.schedule.iterrows()
        ]
        return Answer(request, now, records)

    async def close(self) -> None:
        """Do nothing: no connection is held."""

    def _last_date(self) -> str:
        return f"{self._clock().year + 1}-12-31"
