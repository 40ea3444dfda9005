"""A local vendor, a lake and one time for both: what tests of a vendor's loader look at.

Nothing here knows a vendor.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import duckdb
from hypothesis import strategies as st

from ingest.backfill import LandingReport, backfill
from ingest.http import Policy
from ingest.lake import Interval, Lake
from ingest.provider import Answer, Request
from ingest.records import to_table
from ingest.rest import RestProvider
from ingest.settings import DataDir, Environment
from tests.fake_vendors.server import FakeVendor, Fault
from tests.ingest.asking import HASTY, ask, at, seconds

Vendor = TypeVar("Vendor", bound=FakeVendor)


@dataclass
class World(Generic[Vendor]):
    """One vendor and what was landed of it. `make` gives its provider."""

    vendor: Vendor
    data: DataDir
    make: Callable[..., RestProvider]
    variables: Mapping[str, str]
    now: datetime
    policy: Policy | None = field(default=HASTY)
    secrets: tuple[str, ...] = ()

    def clock(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Let it become later, for the vendor too where it has a clock."""
        self.now += by
        known = getattr(self.vendor, "now", None)
        if known is not None:
            later = self.now if isinstance(known, datetime) else seconds(self.now)
            vars(self.vendor)["now"] = later

    @property
    def lake(self) -> Lake:
        return Lake(self.data, clock=self.clock, secrets=self.secrets)

    def provider(self, **variables: str) -> RestProvider:
        environment = Environment({**self.variables, **variables})
        return self.make(environment, self.clock, policy=self.policy)

    def land(self, *requests: Request, force: bool = False) -> LandingReport:
        """Run a backfill of its own, as a new process would; forget what was asked before."""
        self.vendor.forget()
        report = backfill(self.provider(), requests, self.lake, force=force, clock=self.clock)
        self.now += timedelta(microseconds=1)  # batches are told apart, and ordered, by time
        return report

    def fetch(self, request: Request, **variables: str) -> Answer:
        """Ask without planning windows."""
        return ask(self.provider(**variables), request, split=False).answer

    def check_any_answer(self, request: Request, body: str) -> None:
        """Check that an answer is read or explained, and that nothing else is raised."""
        self.vendor.recover()
        self.vendor.fail("", Fault(body=body), times=1)
        outcome = ask(self.provider(), request, split=False)
        dataset = outcome.provider.datasets[request.dataset]
        for answer in outcome.answers:
            assert to_table(answer.records, dataset).num_rows == len(answer.records)
            assert answer.is_complete == (not answer.rejects)

    def rows(self, columns: str, dataset: str = "bars") -> list[tuple[Any, ...]]:
        """Return what is in the lake, in the order in which it was landed."""
        return rows(self.data, columns, "*", dataset)

    def dead_letters(self) -> list[dict[str, Any]]:
        return dead_letters(self.data)

    def coverage(self, dataset: str, symbol: str, timeframe: str | None) -> list[Interval]:
        return self.lake.ledger(self.provider().name, dataset).coverage(symbol, timeframe)

    def bytes_with(self, text: str) -> list[str]:
        """Return the files of the data folder that hold a text, also inside of Parquet files."""
        found = [
            str(file)
            for file in self.data.root.rglob("*")
            if file.is_file() and text.encode() in file.read_bytes()
        ]
        for file in self.data.raw.rglob("*.parquet"):
            with duckdb.connect() as connection:
                table = connection.execute("select * from read_parquet(?)", [str(file)]).fetchall()
            found += [str(file)] if text in str(table) else []
        return found


def rows(data: DataDir, columns: str, provider: str, dataset: str) -> list[tuple[Any, ...]]:
    """Return what is in the lake, in the order in which it was landed."""
    files = str(data.raw / provider / dataset / "*" / "*.parquet")
    with duckdb.connect() as connection:
        return connection.execute(
            f"select {columns} from read_parquet(?) order by _batch_id, _row", [files]
        ).fetchall()


def dead_letters(data: DataDir) -> list[dict[str, Any]]:
    """Return what could not be read, oldest first."""
    files = sorted(data.dead_letter.rglob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def bars(symbol: str, timeframe: str, start: str, end: str, asset_class: str = "equity") -> Request:
    """Return a question for bars."""
    params = {"asset_class": asset_class}
    return Request("bars", symbol, timeframe, at(start), at(end), params)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-03-05", "2026-03-05 09:30:00", "9999-12-31 23:59:59", "None"])
)


def answers(*keys: str) -> st.SearchStrategy[str]:
    """Return JSON of any shape in which the vendor's own `keys` are frequent."""
    names = st.sampled_from(keys) | st.text(max_size=4)
    values = st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )
    return values.map(json.dumps)
