"""What is wrong with the simulated records on purpose, and what must become of it.

Not for records that are good: those are `records`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.simulated_trading.records import Fault, Outcome, Record, Trading, Value

UNKNOWN_CURRENCY = "SIMCOIN"


@dataclass(frozen=True)
class _Mistake:
    """A kind of fault: every how many records of a dataset it occurs, and what is told besides.

    Records told again keep their id; others get one of their own, so that nothing is missing
    without them.
    """

    kind: str
    dataset: str
    first: int
    every: int
    outcome: Outcome
    change: Mapping[str, Value] = field(default_factory=dict)
    reason: str | None = None

    def is_due(self, number: int) -> bool:
        return number % self.every == self.first


MISTAKES = (
    _Mistake("corrected_decision", "decisions", 11, 400, "superseded"),
    _Mistake("confidence_above_1", "decisions", 19, 900, "dead_lettered", {"confidence": 1.7}),
    _Mistake("duplicate_execution", "executions", 7, 300, "superseded"),
    _Mistake(
        "unknown_quote_currency", "executions", 13, 700, "quarantined",
        {"quote_currency": UNKNOWN_CURRENCY}, "no_currency_rate",
    ),
    _Mistake(
        "unknown_fee_currency", "executions", 17, 700, "quarantined",
        {"fee_currency": UNKNOWN_CURRENCY}, "no_currency_rate",
    ),
    _Mistake("negative_quantity", "executions", 23, 900, "dead_lettered", {"quantity": "-1"}),
    _Mistake(
        "unknown_currency", "cash_movements", 1, 9, "quarantined",
        {"currency": UNKNOWN_CURRENCY}, "no_currency_rate",
    ),
    _Mistake(
        "negative_deposit", "cash_movements", 2, 9, "dead_lettered",
        {"kind": "deposit", "amount": "-5.00"},
    ),
)  # fmt: skip
ID_OF = {"decisions": "decision_id", "executions": "execution_id", "cash_movements": "movement_id"}


def with_faults(trading: Trading) -> Trading:
    """Return the records with each mistake beside the good ones it is due at."""
    told: dict[str, list[Record]] = {}
    corrections: list[Record] = []
    injected: list[Fault] = []
    for dataset, key in ID_OF.items():
        told[dataset] = []
        records: Sequence[Record] = getattr(trading, dataset)
        for number, record in enumerate(records):
            first, besides = record, []
            for mistake in MISTAKES:
                if mistake.dataset != dataset or not mistake.is_due(number):
                    continue
                name = str(record[key])
                if mistake.kind == "corrected_decision":
                    # Told first with the confidence of the opposite, then put right.
                    first = {**record, "confidence": round(1 - float(str(record["confidence"])), 4)}
                    corrections.append(record)
                elif mistake.outcome == "superseded":
                    besides.append(record)
                else:
                    name = f"{name}-X"
                    besides.append({**record, key: name, **mistake.change})
                injected.append(Fault(mistake.kind, dataset, name, mistake.outcome, mistake.reason))
            told[dataset] += [first, *besides]
    return replace(trading, **told, corrections=corrections, injected=injected)
