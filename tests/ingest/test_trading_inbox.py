"""Trading records from the inbox: good rows land as written, bad ones say what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest

from ingest.lake import Lake
from ingest.providers.inbox import InboxReport, land_inbox
from ingest.providers.inbox_formats import CONTRACTS, DATASETS
from ingest.schemas import schema_text
from ingest.settings import DataDir

DECISION = {
    "decision_id": "d-1",
    "decided_at": "2026-01-05T14:30:00Z",
    "symbol": "BRK.B",
    "asset_class": "equity",
    "timeframe": "1h",
    "action": "buy",
    "confidence": "0.70",
    "position_size": "10.0",
    "method": "voting",
    "provider_votes": [
        {"provider": "momentum", "action": "buy", "confidence": 0.9, "weight": 1},
        {"provider": "contrarian", "action": "hold", "confidence": 0.5, "weight": 0.5},
    ],
}
EXECUTION = {
    "execution_id": "e-1",
    "order_id": "o-1",
    "account_id": "main",
    "executed_at": "2026-01-05T14:31:02.123456Z",
    "symbol": "BTC/USD",
    "asset_class": "crypto",
    "side": "sell",
    "quantity": "0.10000000",
    "price": "61234.50",
    "quote_currency": "USD",
    "fee": "1.5300",
    "fee_currency": "USD",
    "venue": "coinbase",
}
MOVEMENT = {
    "movement_id": "m-1",
    "account_id": "main",
    "moved_at": "2026-01-02",
    "currency": "USD",
    "amount": "1000.00",
    "kind": "deposit",
}
GOOD = {"decisions": DECISION, "executions": EXECUTION, "cash_movements": MOVEMENT}

Drop = Callable[[str, str, str], InboxReport]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(DataDir(tmp_path / "data"))


@pytest.fixture
def drop(lake: Lake) -> Drop:
    def land(dataset: str, name: str, text: str) -> InboxReport:
        path = lake.data.inbox / dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return land_inbox(lake, dataset=dataset, settle_seconds=0)

    return land


def json_lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def csv(*records: dict[str, Any]) -> str:
    """Return CSV with every value quoted; lists are their JSON text."""
    names = list(records[0])
    lines = [",".join(names)]
    for record in records:
        texts = [
            value if isinstance(value, str) else json.dumps(value)
            for value in (record[name] for name in names)
        ]
        lines.append(",".join('"' + text.replace('"', '""') + '"' for text in texts))
    return "\n".join(lines) + "\n"


def rows(lake: Lake) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted(lake.data.raw.rglob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def letters(lake: Lake) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in lake.data.dead_letter.rglob("*.json")]
    return [json.loads(line) for letter in found for line in letter["body"].splitlines()]


@pytest.mark.parametrize("dataset", GOOD)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_good_rows_land_as_written(lake: Lake, drop: Drop, dataset: str, kind: str) -> None:
    record = GOOD[dataset]
    text = csv(record) if kind == "csv" else json_lines(record)
    report = drop(dataset, f"mine.{kind}", text)
    assert [(file.status, file.rows, file.dead_letters) for file in report.files] == [
        ("landed", 1, 0)
    ]
    (landed,) = rows(lake)
    for name, value in record.items():
        if isinstance(value, str):
            assert landed[name] == value
        else:
            assert json.loads(landed[name]) == value
    assert landed["_provider"] == "inbox"
    assert not letters(lake)


@pytest.mark.parametrize(
    ("dataset", "change", "says"),
    [
        ("decisions", {"confidence": "1.2"}, "confidence: Input should be less than or equal to 1"),
        ("decisions", {"confidence": "nan"}, "confidence: should be a number such as 1234.5"),
        ("decisions", {"action": "BUY"}, "action: Input should be 'buy', 'sell' or 'hold'"),
        ("decisions", {"method": "vote"}, "method: Input should be"),
        ("decisions", {"timeframe": "2h"}, "timeframe: Input should be"),
        ("decisions", {"decided_at": "1767623400"}, "decided_at: should be an ISO 8601 time"),
        ("decisions", {"decided_at": "2026-02-30"}, "decided_at: Input should be a valid datetime"),
        ("decisions", {"decision_id": " "}, "decision_id: String should have at least 1 character"),
        (
            "decisions",
            {"provider_votes": "[{"},
            "provider_votes: should be the JSON text of a list",
        ),
        (
            "decisions",
            {"provider_votes": [{"provider": "a", "action": "buy", "confidence": 2, "weight": 1}]},
            "provider_votes.0.confidence: Input should be less than or equal to 1",
        ),
        (
            "decisions",
            {"provider_votes": [{"provider": "a", "action": "buy", "confidence": 1}]},
            "provider_votes.0.weight: Field required",
        ),
        ("executions", {"quantity": "0"}, "quantity: Input should be greater than 0"),
        ("executions", {"quantity": "1_000"}, "quantity: should be a number such as 1234.5"),
        ("executions", {"price": "1,000.5"}, "price: should be a number such as 1234.5"),
        ("executions", {"price": "1e30"}, "price: should have at most 20 digits before"),
        ("executions", {"fee": "inf"}, "fee: should be a number such as 1234.5"),
        ("executions", {"side": "short"}, "side: Input should be 'buy' or 'sell'"),
        ("executions", {"quote_currency": "dollars"}, "quote_currency: String should match"),
        ("cash_movements", {"amount": "0.00"}, "amount: should not be 0"),
        ("cash_movements", {"amount": "-5"}, "the amount of a deposit should be above 0"),
        ("cash_movements", {"kind": "gift"}, "kind: Input should be"),
    ],
)
def test_a_bad_row_is_dead_lettered_and_its_neighbours_land(
    lake: Lake, drop: Drop, dataset: str, change: dict[str, Any], says: str
) -> None:
    good = GOOD[dataset]
    key = next(iter(good))
    bad = {**good, key: "other", **change}
    report = drop(dataset, "mine.csv", csv(good, bad, {**good, key: "third"}))
    (file,) = report.files
    assert (file.status, file.rows, file.dead_letters) == ("landed", 2, 1)
    assert [row[key] for row in rows(lake)] == [good[key], "third"]
    assert [row["_row"] for row in rows(lake)] == [0, 1]
    (letter,) = letters(lake)
    assert letter["row"] == 2
    assert letter["errors"][0].startswith(says)
    for name, value in change.items():
        kept = letter["values"].get(name)
        assert (kept if isinstance(value, str) else json.loads(kept)) == value
    assert "row 2" in file.message
    assert says.split(":", maxsplit=1)[0] in file.message


def test_what_is_needed_and_absent_is_named(lake: Lake, drop: Drop) -> None:
    report = drop(
        "executions", "mine.jsonl", json_lines(EXECUTION, {**EXECUTION, "price": None, "fee": None})
    )
    assert (report.rows, report.dead_letters) == (1, 1)
    (letter,) = letters(lake)
    assert letter["errors"] == ["price: Field required", "fee: Field required"]


def test_the_ledger_counts_what_did_not_land(lake: Lake, drop: Drop) -> None:
    drop("cash_movements", "mine.csv", csv({**MOVEMENT, "amount": "x"}, {**MOVEMENT, "kind": "x"}))
    (batch,) = lake.batches("inbox", "cash_movements")
    assert (batch.rows, batch.dead_letters) == (0, 2)


def test_a_missing_column_rejects_the_file(lake: Lake, drop: Drop) -> None:
    record = {name: value for name, value in EXECUTION.items() if name != "venue"}
    report = drop("executions", "mine.csv", csv(record))
    assert [file.status for file in report.files] == ["rejected"]
    assert "Column 'venue' is missing" in report.files[0].message
    assert not rows(lake)


def test_a_dropped_list_is_never_the_whole_list(lake: Lake, drop: Drop) -> None:
    listing = {
        "listing_id": "1",
        "asset_class": "equity",
        "symbol": "ABC",
        "name": "Abc",
        "exchange": "XNYS",
        "currency": "USD",
        "status": "active",
    }
    drop("instruments", "mine.csv", csv(listing))
    (batch,) = lake.batches("inbox", "instruments")
    assert [entry.status for entry in batch.entries] == ["partial"]


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_schema_tells_good_from_bad(name: str) -> None:
    schema = json.loads(schema_text(name))
    jsonschema.validate(GOOD[name], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD[name], next(iter(GOOD[name])): ""}, schema)


def test_contracts_and_columns_are_of_the_same_fields() -> None:
    for name, model in CONTRACTS.items():
        dataset = DATASETS[name]
        assert set(model.model_fields) == {field.column for field in dataset.fields}
        optional = {n for n, f in model.model_fields.items() if not f.is_required()}
        assert optional == dataset.optional_columns
