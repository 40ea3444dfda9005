"""One file per vendor. To add one: write its class, then list it in `VENDORS`."""

from collections.abc import Mapping

from ingest.clock import Clock, utc_now
from ingest.provider import Provider
from ingest.providers.alpaca import Alpaca, AlpacaIex, AlpacaSip
from ingest.providers.alpha_vantage import AlphaVantage
from ingest.providers.binance import Binance
from ingest.providers.coinbase import Coinbase
from ingest.providers.exchange_calendars import ExchangeCalendars
from ingest.providers.fmp import Fmp
from ingest.providers.kraken import Kraken
from ingest.providers.oanda import Oanda
from ingest.providers.reddit import Reddit
from ingest.providers.sample import Sample
from ingest.providers.sec_edgar import SecEdgar
from ingest.providers.simulator import Simulator
from ingest.rest import RestProvider
from ingest.settings import Environment, Settings

VENDORS: tuple[type[RestProvider], ...] = (
    SecEdgar,
    AlphaVantage,
    Fmp,
    AlpacaSip,
    AlpacaIex,
    Alpaca,
    Coinbase,
    Oanda,
    Kraken,
    Binance,
    Reddit,
)
"""Every vendor that is asked over HTTP."""


def make_providers(settings: Settings, clock: Clock = utc_now) -> Mapping[str, Provider]:
    """Return every provider that is asked over requests, by name.

    Files that people drop are not asked for: see `ingest.providers.inbox`.
    """
    providers: tuple[Provider, ...] = (
        Sample(clock),
        Simulator(clock),
        ExchangeCalendars(clock),
        *(
            vendor(settings.environment, clock, state_dir=settings.data.vendors)
            for vendor in VENDORS
        ),
    )
    return {provider.name: provider for provider in providers}


def secret_values(environment: Environment) -> tuple[str, ...]:
    """Return every vendor's secrets that are set, to keep them out of what is written."""
    names = {name for vendor in VENDORS for name in vendor.secret_names}
    return tuple(value for name in sorted(names) if (value := environment.secret(name)))
