"""What Dagster's assets need from outside: one warehouse and its vendors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dagster import ConfigurableResource

from ingest import pulls
from ingest.backfill import Ask
from ingest.lake import Lake
from ingest.provider import Provider
from ingest.providers import make_providers
from ingest.providers.simulator import Simulator
from ingest.settings import Settings
from orchestration import line

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
        return Settings(data_dir=Path(self.data_dir)) if self.data_dir else Settings()

    def providers(self) -> Mapping[str, Provider]:
        """Return the vendors by name; the simulator shows its faults, and so the quarantine."""
        simulator = Simulator(faults=self.simulator_faults)
        return {**make_providers(self.settings()), simulator.name: simulator}

    def asks(self, provider: str, dataset: str) -> Sequence[Ask]:
        """Return what a run asks of a dataset, and whom it turns to otherwise.

        Nothing of demo data when it is switched off, and no list that cannot have changed.

        Raises:
            PullsError: the pulls file cannot be used.
        """
        settings, providers = self.settings(), self.providers()
        vendor = providers[provider]
        requests = list(vendor.default_request(dataset))
        if provider in DEMO_PROVIDERS and not settings.demo_data:
            requests = []
        if provider in STATIC_PROVIDERS and vendor.datasets[dataset].kind == "extract":
            ledger = Lake(settings.data).ledger(provider, dataset)
            requests = [request for request in requests if ledger.answered_at(request) is None]
        declared = pulls.asks(line.pulls(settings, providers), provider=provider, dataset=dataset)
        return [*(Ask(vendor, request) for request in requests), *declared]
