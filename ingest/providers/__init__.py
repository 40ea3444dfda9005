"""One file per vendor. To add one: write its class, then list it in `make_providers`."""

from collections.abc import Mapping

from ingest.clock import Clock, utc_now
from ingest.provider import Provider
from ingest.providers.coinbase import Coinbase
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.providers.sample import Sample
from ingest.providers.simulator import Simulator
from ingest.settings import Settings


def make_providers(settings: Settings, clock: Clock = utc_now) -> Mapping[str, Provider]:
    """Return every provider that is asked over requests, by name.

    Files that people drop are not asked for: see `ingest.providers.inbox`.
    """
    providers: tuple[Provider, ...] = (
        Sample(clock),
        Coinbase(settings.coinbase_url, settings.coinbase_symbols, clock),
        Simulator(clock),
        ExchangeCalendars(clock),
    )
    return {provider.name: provider for provider in providers}
