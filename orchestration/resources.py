"""What Dagster's assets need from outside: one warehouse and its vendors."""

from collections.abc import Iterable, Mapping

from dagster import ConfigurableResource

from ingest.lake import Lake
from ingest.provider import Provider, Request
from ingest.providers import make_providers
from ingest.providers.simulator import Simulator
from ingest.settings import Settings

DEMO_PROVIDERS = ("sample", "simulator")
STATIC_PROVIDERS = (*DEMO_PROVIDERS, "exchange_calendars")
"""The same request has the same answer for ever."""


class Warehouse(ConfigurableResource):  # type: ignore[type-arg]
    """One warehouse: the folder it lives in and how its simulator behaves.

    An empty `data_dir` means the configured one (`TAPEHOUSE_DATA_DIR`).
    """

    data_dir: str = ""
    simulator_faults: bool = True

    def settings(self) -> Settings:
        """Return the settings of this warehouse."""
        return Settings(data_dir=self.data_dir) if self.data_dir else Settings()  # type: ignore[arg-type]

    def providers(self) -> Mapping[str, Provider]:
        """Return the vendors by name; the simulator shows its faults, and so the quarantine."""
        simulator = Simulator(faults=self.simulator_faults)
        return {**make_providers(self.settings()), simulator.name: simulator}

    def requests(self, provider: Provider, dataset: str) -> Iterable[Request]:
        """Return what a run asks of a dataset.

        Nothing of demo data when it is switched off, and no list that cannot have changed.
        """
        settings = self.settings()
        if provider.name in DEMO_PROVIDERS and not settings.demo_data:
            return []
        requests = provider.default_request(dataset)
        if provider.name in STATIC_PROVIDERS and provider.datasets[dataset].kind == "extract":
            ledger = Lake(settings.data).ledger(provider.name, dataset)
            return [request for request in requests if not ledger.has_answer(request)]
        return requests
