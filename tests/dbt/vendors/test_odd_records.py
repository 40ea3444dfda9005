"""No record of a vendor can stop a build: each field of each dataset is odd in every way once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow.parquet as pq
import pytest

from ingest.clock import parse_iso
from ingest.lake import Batch, Lake
from ingest.provider import Answer, Request, fields
from ingest.settings import DataDir
from tests.dbt.landing import DATASETS
from tests.dbt.test_bad_records import each_field_odd, odd_records
from tests.dbt.vendors.conftest import LEFT_OUT
from tests.dbt.warehouse import Warehouse, rows

Key = tuple[str, str]


@dataclass(frozen=True)
class Good:
    """A record as it was landed, and the batch it is from."""

    batch: Batch
    record: dict[str, str]

    @property
    def key(self) -> Key:
        return self.batch.provider, self.batch.dataset


def good_records(vendors: Warehouse) -> Iterator[Good]:
    """Yield the fullest record of the oldest batch of each dataset that is not odd elsewhere."""
    data = DataDir(vendors.data)
    found = set(odd_records())
    for batch in Lake(data).batches():
        key = batch.provider, batch.dataset
        if key in found or not batch.rows:
            continue
        found.add(key)
        (path,) = data.raw.glob(f"{key[0]}/{key[1]}/*/{batch.batch_id}.parquet")
        columns = [field.column for field in DATASETS[key].fields]
        landed = pq.read_table(path, columns=columns).to_pylist()
        fullest = max(
            landed, key=lambda record: sum(value is not None for value in record.values())
        )
        yield Good(batch, {name: value or "" for name, value in fullest.items()})


@pytest.fixture(scope="module")
def landed(vendors: Warehouse) -> dict[Key, int]:
    """Return how many odd records each dataset gets."""
    return {good.key: 1 + len(each_field_odd(good.record)) for good in good_records(vendors)}


@pytest.fixture(scope="module")
def warehouse(vendors: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of nothing but one good record of each dataset, and its odd ones."""
    warehouse = Warehouse(tmp_path_factory.mktemp("odd"))
    for good in good_records(vendors):
        dataset = DATASETS[good.key]
        entry = next(entry for entry in good.batch.entries if entry.records)
        request = Request(
            dataset.name,
            entry.symbol,
            entry.timeframe,
            parse_iso(entry.start) if entry.start else None,
            parse_iso(entry.end) if entry.end else None,
            entry.params,
        )
        fetched = parse_iso(good.batch.fetched_at)
        records = [good.record, *each_field_odd(good.record)]
        # As landed, so that a record is flat, whatever the vendor's answer looks like.
        flat = replace(dataset, fields=fields(*good.record))
        lake = Lake(DataDir(warehouse.data), clock=lambda fetched=fetched: fetched)
        lake.land(good.batch.provider, flat, [Answer(request, fetched, records)])
    warehouse.build("--exclude-resource-type", "unit_test", "--exclude", LEFT_OUT)
    return warehouse


def test_every_dataset_is_odd_somewhere(landed: dict[Key, int]) -> None:
    assert landed.keys() | odd_records().keys() == DATASETS.keys()


@pytest.mark.slow  # for every dataset of every vendor what `test_bad_records` tries with a few
def test_every_record_is_accepted_or_in_quarantine(
    warehouse: Warehouse, landed: dict[Key, int]
) -> None:
    balance = rows(
        warehouse.database,
        "select provider, dataset, landed_count, quarantined_count"
        " from ops.record_balance where is_balanced",
    )
    assert {(provider, dataset): count for provider, dataset, count, _ in balance} == landed
    assert [key for *key, _, quarantined in balance if not quarantined] == []
