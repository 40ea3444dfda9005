"""Trading records from the inbox: good rows land as written, bad ones say what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ingest.lake import Lake
from ingest.providers.inbox import InboxReport, land_inbox
from ingest.providers.inbox_formats import CONTRACTS, DATASETS
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
GOOD: dict[str, dict[str, Any]] = {
    "decisions": DECISION,
    "executions": EXECUTION,
    "cash_movements": MOVEMENT,
}

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


BAD: list[tuple[str, dict[str, Any], str]] = [
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
    ("executions", {"fee": "1e9999999"}, "fee: should have at most 20 digits before"),
    ("executions", {"symbol": "BTC/USD\t"}, "symbol 'BTC/USD\\t' is not canonical for crypto"),
    ("decisions", {"provider_votes": "[" * 10**5}, "provider_votes: should be the JSON text of a"),
]


@pytest.mark.parametrize(("dataset", "change", "says"), BAD)
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


BROKEN_LINES = [
    ('{"movement_id": "m-2", "amo', "not valid JSON"),
    ("[]", "an array, not an object"),
    ('{"movement_id": "m-2", "movement_id": "m-3"}', "the key 'movement_id' is there 2 times"),
    ('{"movement_id": NaN}', "not valid JSON (NaN is no JSON)"),
    ("[" * 100_000, "nested too deeply"),
    ('{"movement_id": "\\ud83d"}', "half a character"),
]


@pytest.mark.parametrize(("broken", "says"), BROKEN_LINES, ids=lambda value: str(value)[:20])
def test_a_line_that_cannot_be_read_costs_no_other(
    lake: Lake, drop: Drop, broken: str, says: str
) -> None:
    lines = [
        json.dumps(MOVEMENT),
        broken,
        "",
        json.dumps({**MOVEMENT, "movement_id": "m-3", "amount": "x"}),
        json.dumps({**MOVEMENT, "movement_id": "m-4"}),
    ]
    (file,) = drop("cash_movements", "mine.jsonl", "\n".join(lines)).files
    assert (file.status, file.rows, file.dead_letters) == ("landed", 2, 2)
    assert [row["movement_id"] for row in rows(lake)] == ["m-1", "m-4"]
    found = {str(letter.get("line") or letter["row"]): letter for letter in letters(lake)}
    assert found.keys() == {"2", "3"}
    assert found["2"]["text"] == broken
    assert says in found["2"]["errors"][0]
    assert found["3"]["errors"][0].startswith("amount: should be a number")
    (batch,) = lake.batches("inbox", "cash_movements")
    assert (batch.rows, batch.dead_letters) == (2, 2)


def test_bytes_that_are_no_text_cost_only_their_line(lake: Lake) -> None:
    path = lake.data.inbox / "cash_movements" / "mine.jsonl"
    path.parent.mkdir(parents=True)
    good = [json.dumps({**MOVEMENT, "movement_id": name}).encode() for name in ("m-1", "m-2")]
    path.write_bytes(b"\n".join([good[0], b'{"movement_id": "caf\xe9"}', good[1]]))
    (file,) = land_inbox(lake, dataset="cash_movements", settle_seconds=0).files
    assert (file.status, file.rows, file.dead_letters) == ("landed", 2, 1)
    assert "byte 0xe9 is not UTF-8" in letters(lake)[0]["errors"][0]


@pytest.mark.parametrize(
    ("line", "given"),
    [("m-2,main,2026-01-03,USD,1,000,deposit", 7), ("m-2,main", 2), ('"m-2"', 1)],
)
def test_a_csv_line_with_too_many_or_few_values_costs_no_other(
    lake: Lake, drop: Drop, line: str, given: int
) -> None:
    header, first = csv(MOVEMENT).splitlines()
    last = first.replace("m-1", "m-3")
    worse = first.replace("deposit", "gift")
    text = "\n".join([header, first, line, worse, last, ""])
    (file,) = drop("cash_movements", "mine.csv", text).files
    assert (file.status, file.rows, file.dead_letters) == ("landed", 2, 2)
    assert [row["movement_id"] for row in rows(lake)] == ["m-1", "m-3"]
    (unread,) = [letter for letter in letters(lake) if "line" in letter]
    assert (unread["line"], unread["text"]) == (3, line)
    said = "1 value where" if given == 1 else f"{given} values where"
    assert unread["errors"][0].startswith(f"Line 3: {said}")
    (judged,) = [letter for letter in letters(lake) if "row" in letter]
    assert judged["row"] == 3
    assert f"Line 3: {said}" in file.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.jsonl", json.dumps([MOVEMENT], indent=2)),
        ("mine.jsonl", json.dumps(MOVEMENT)[:-5]),
        ("mine.csv", csv(MOVEMENT).splitlines()[0] + "\n1,2\n3,4\n"),
        # A stray quote takes the lines after it with it: which records those were is unknown.
        ("mine.csv", csv(MOVEMENT, MOVEMENT) + 'm-2,main,"2026-01-03,USD\nm-3,main",1\n'),
    ],
    ids=["one document", "one line", "no good line", "a stray quote"],
)
def test_a_file_in_which_records_cannot_be_told_apart_is_rejected_whole(
    lake: Lake, drop: Drop, name: str, text: str
) -> None:
    (file,) = drop("cash_movements", name, text).files
    assert (file.status, file.dead_letters) == ("rejected", 0)
    assert "Line " in file.message
    assert not rows(lake)
    assert not letters(lake)


def test_market_data_is_landed_whole_or_not_at_all(lake: Lake, drop: Drop) -> None:
    listing = {"listing_id": "1", "asset_class": "equity", "symbol": "ABC", "name": "Abc"}
    listing |= {"exchange": "XNYS", "currency": "USD", "status": "active"}
    (file,) = drop("instruments", "mine.jsonl", json_lines(listing) + "{\n").files
    assert file.status == "rejected"
    assert not rows(lake)


SPELLED_WRONG = {"crypto": ("BTC-USD", "BTCUSD", "btc/usd"), "equity": ("BRK-B", "aapl", "BTC/USD")}


@pytest.mark.parametrize("dataset", ["decisions", "executions"])
@pytest.mark.parametrize(
    ("asset_class", "symbol"),
    [(name, symbol) for name, symbols in SPELLED_WRONG.items() for symbol in symbols],
)
def test_a_symbol_that_is_not_canonical_would_be_an_instrument_that_is_not_there(
    lake: Lake, drop: Drop, dataset: str, asset_class: str, symbol: str
) -> None:
    bad = {**GOOD[dataset], "asset_class": asset_class, "symbol": symbol}
    report = drop(dataset, "mine.jsonl", json_lines(GOOD[dataset], bad))
    assert (report.rows, report.dead_letters) == (1, 1)
    (letter,) = letters(lake)
    example = "BTC/USD" if asset_class == "crypto" else "BRK.B"
    assert letter["errors"][0].startswith(
        f"symbol {symbol!r} is not canonical for {asset_class}: write it like {example}"
    )


CANONICAL = [("crypto", "SIM-BTC/USD"), ("crypto", "T/USD"), ("fx", "EUR/USD"), ("equity", "^SPX")]


@pytest.mark.parametrize(("asset_class", "symbol"), CANONICAL)
def test_canonical_symbols_are_good(lake: Lake, drop: Drop, asset_class: str, symbol: str) -> None:
    record = {**EXECUTION, "asset_class": asset_class, "symbol": f" {symbol} "}
    assert drop("executions", "mine.jsonl", json_lines(record)).rows == 1
    assert not letters(lake)


def test_all_digits_that_the_warehouse_holds_are_good(drop: Drop) -> None:
    record = {**EXECUTION, "quantity": f"{'9' * 20}.{'9' * 18}"}
    assert drop("executions", "mine.jsonl", json_lines(record)).rows == 1


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


def test_contracts_and_columns_are_of_the_same_fields() -> None:
    for name, model in CONTRACTS.items():
        dataset = DATASETS[name]
        assert set(model.model_fields) == {field.column for field in dataset.fields}
        optional = {n for n, f in model.model_fields.items() if not f.is_required()}
        assert optional == dataset.optional_columns
