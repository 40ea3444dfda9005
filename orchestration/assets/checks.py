"""The gate: every Soda check as a blocking check on the table it judges."""

from collections.abc import Iterator

import dagster as dg

from orchestration import candidate as building
from orchestration.assets.warehouse import POOL, candidate_of_run
from orchestration.quality import CheckResult, DeclaredCheck, declared_checks
from orchestration.resources import Warehouse

SEVERITY = {"warn": dg.AssetCheckSeverity.WARN}


def soda_checks(keys: dict[str, dg.AssetKey]) -> dg.AssetChecksDefinition:
    """Return all Soda checks, given the asset key of each `schema.table`."""
    declared = declared_checks()

    @dg.multi_asset_check(
        name="soda",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=keys[check.table],
                blocking=True,
                description=f"Soda: {check.name.replace('_', ' ')}",
            )
            for check in declared
        ],
        pool=POOL,
        description="Judge the candidate. A check that fails, errs or has no outcome blocks.",
    )
    def soda(
        context: dg.AssetCheckExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.AssetCheckResult]:
        data = warehouse.settings().data
        with building.builder_lock(data, f"Dagster run {context.run.run_id}"):
            candidate = candidate_of_run(data, context.instance, context.run.run_id)
            if candidate is None:
                raise building.BuildError("there is no candidate to judge: build one first")
            _, report = building.judge(data, candidate)
        results = {(result.table, result.name): result for result in report.results}
        url = dg.MetadataValue.path(str(data.quality / candidate.build_id / "index.html"))
        for check in declared:
            yield _result(check, results.get((check.table, check.name)), keys[check.table], url)

    return soda


def _result(
    check: DeclaredCheck, result: CheckResult | None, key: dg.AssetKey, report: dg.MetadataValue
) -> dg.AssetCheckResult:
    """Return Dagster's form of a check's result; None stands for a table that is not in use."""
    if result is None:
        return dg.AssetCheckResult(
            passed=True,
            asset_key=key,
            check_name=check.name,
            description="The table is not in use: none of its datasets was ever landed.",
            metadata={"report": report},
        )
    return dg.AssetCheckResult(
        passed=result.outcome == "pass",
        severity=SEVERITY.get(result.outcome, dg.AssetCheckSeverity.ERROR),
        asset_key=key,
        check_name=check.name,
        description=result.detail,
        metadata={
            "outcome": result.outcome,
            "failing_keys": list(result.failing_keys),
            "report": report,
            **({"value": result.value} if result.value is not None else {}),
        },
    )
