"""The project's own models, run by dbt on a copy of the prepared database."""

import json
from collections.abc import Sequence
from pathlib import Path

from orchestration.dbt import executable
from tests.bench.processes import measure
from tests.dbt.signals import INDICATORS
from tests.dbt.warehouse import PROJECT, Warehouse


def run(folder: Path, memory_limit: str) -> float:
    """Return the seconds that the models took, without dbt's start and parsing."""
    warehouse = Warehouse(folder)
    measure(
        [executable(), *warehouse.arguments("run", "--select", *INDICATORS)],
        {**warehouse.environment, "TAPEHOUSE_MEMORY_LIMIT": memory_limit},
        folder=PROJECT,
    )
    return sum(model_seconds(warehouse, INDICATORS).values())


def model_seconds(warehouse: Warehouse, models: Sequence[str]) -> dict[str, float]:
    """Return the time of each model in dbt's last run."""
    results = json.loads((warehouse.target / "run_results.json").read_text(encoding="utf-8"))
    seconds = {
        result["unique_id"].split(".")[2]: float(result["execution_time"])
        for result in results["results"]
    }
    return {model: seconds[model] for model in models}
