"""What a vendor's plan allows: the free one, unless the environment names a paid one.

Not for the limits themselves, which are `ingest.http.Policy` and differ by vendor.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ingest.clock import as_utc
from ingest.settings import Environment, SettingsError

NEW_YORK = ZoneInfo("America/New_York")


def paid_per_minute(environment: Environment, provider: str) -> int | None:
    """Return the requests a minute of a paid plan, or None on the free one.

    Said by `TAPEHOUSE_<PROVIDER>_PER_MINUTE`: vendors do not tell a key's plan.

    Raises:
        SettingsError: the variable is set to something else than a whole number above 0.
    """
    name = f"TAPEHOUSE_{provider.upper()}_PER_MINUTE"
    text = (environment.variables.get(name) or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise SettingsError(f"{name} is {text!r}: set it to the requests a minute of your plan")
    return int(text)


def next_new_york_midnight(now: datetime) -> datetime:
    """Return when the next day begins in New York, in UTC."""
    tomorrow = now.astimezone(NEW_YORK).date() + timedelta(days=1)
    return as_utc(datetime.combine(tomorrow, time(), NEW_YORK))
