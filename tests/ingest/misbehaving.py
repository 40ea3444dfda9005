"""Vendors that misbehave, and runs that ask them again and again until all of it is landed.

Each run is a process of its own, as an impatient person or a schedule would start it; time is a
number that each run finds later. What must come of it is not said here, but for what holds of every
run: what is missing is explained, and nothing is there that the vendor never said.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from ingest.backfill import Ask, LandingReport, land_all
from ingest.http import Policy
from ingest.lake import Lake
from ingest.limits import RateLimit
from ingest.refusals import REMEMBERED
from ingest.settings import DataDir, Environment
from tests.fake_vendors.server import HANG_UP, Asked, Fault, Reply
from tests.fake_vendors.spoiling import rearranged
from tests.ingest.truths import NOW, Key, Rows, Truth

ENOUGH_RUNS = 60
LATER = timedelta(hours=13)
"""How much later each run is: breakers have cooled down, and quotas are back soon."""

IMPATIENT = Policy(
    limits=(RateLimit(10_000, per_seconds=1),),
    attempts=2,
    backoff_seconds=0.001,
    backoff_max_seconds=0.002,
    attempt_seconds=0.4,
    deadline_seconds=2,
    failures_to_open=3,
)
TOO_SLOW = 0.5

Misbehaviour = Callable[[Truth, random.Random], Sequence[Fault]]
"""What a vendor does instead of the next proper answers."""


# -- misbehaviours ---------------------------------------------------------------------------------


def always(*faults: Fault) -> Misbehaviour:
    return lambda _truth, _chance: faults


def throttling(truth: Truth, _: random.Random) -> Sequence[Fault]:
    reply = truth.vendor.throttled(Asked("/", {}, {}, at=0), 5, 1)
    return [Fault(**vars(reply)) if type(reply) is Reply else cast("Fault", reply)] * 5


def rearranging(*, is_doubled: bool, is_shuffled: bool) -> Misbehaviour:
    def misbehave(_: Truth, chance: random.Random) -> Sequence[Fault]:
        seed = chance.random()

        def change(text: str) -> str:
            own = random.Random(seed)  # noqa: S311 - not for secrets
            return rearranged(text, own, is_doubled=is_doubled, is_shuffled=is_shuffled)

        return [Fault(change=change)] * 3

    return misbehave


def widening(truth: Truth, _: random.Random) -> Sequence[Fault]:
    """Send rows beside those that were asked for."""
    widen = truth.widen
    if widen is None:
        return []

    def change(_: str) -> str:
        body = truth.vendor.answer(widen(truth.vendor.asked[-1])).body or ""
        assert isinstance(body, str)
        return body

    return [Fault(change=change)] * 3


def refusing(truth: Truth, chance: random.Random) -> Sequence[Fault]:
    return [chance.choice(truth.refusals)] * chance.choice([1, 3])


HTML = "<!doctype html><html><body><h1>Bad gateway</h1></body></html>"
MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "throttles": always(*[Fault(429, '{"message": "too many requests"}')] * 5),
    "throttles, naming a moment": always(
        *[Fault(429, "slow down", "text/plain", {"Retry-After": "0.01"})] * 5
    ),
    "throttles, naming an hour": always(Fault(429, "{}", headers={"Retry-After": "3600"})),
    "throttles in its own words": throttling,
    "has errors": always(*(Fault(status, "{}") for status in (500, 502, 503, 504, 500))),
    "is down for a while": always(*[Fault(503, HTML, "text/html", {"Retry-After": "0.01"})] * 9),
    "is slow": always(Fault(delay_seconds=TOO_SLOW)),
    "trickles": always(Fault(body="[" + " " * 200 + "]", trickle_seconds=TOO_SLOW / 100)),
    "cuts off": always(Fault(cut_after=0), Fault(cut_after=1), Fault(cut_after=40)),
    "cuts off each time": always(*[Fault(cut_after=30)] * 4),
    "hangs up": always(*[HANG_UP] * 3),
    "sends a page": always(Fault(200, HTML, "text/html")),
    "sends a page as JSON": always(Fault(200, HTML)),
    "sends half of a document": always(Fault(200, '{"bars": [[1, 2')),
    "sends nothing": always(Fault(200, "")),
    "sends null": always(Fault(200, "null")),
    "sends another shape": always(Fault(200, '{"unexpected": [1, {"a": 2}]}')),
    "sends text": always(Fault(200, '"maintenance"')),
    "sends other values": always(*[Fault(200, '[1, "two", [3]]')] * 3),
    "says a key twice": always(Fault(200, '{"data": [], "data": [], "bars": {}}')),
    "sends a table": always(Fault(200, "a,b\n1,2\n", "text/csv")),
    "sends JSON as a table": always(Fault(200, '{"a": 1}', "text/csv")),
    "sends what is not text": always(Fault(200, b"\xff\xfe\x00[]")),
    "sends broken compression": always(Fault(headers={"Content-Encoding": "gzip"})),
    "has moved": always(Fault(302, "", headers={"Location": "https://moved.example.org/"})),
    "refuses": refusing,
    "doubles rows": rearranging(is_doubled=True, is_shuffled=False),
    "shuffles rows": rearranging(is_doubled=False, is_shuffled=True),
    "doubles and shuffles rows": rearranging(is_doubled=True, is_shuffled=True),
    "sends rows beside": widening,
}


# -- runs ------------------------------------------------------------------------------------------


@dataclass
class Runs:
    """One vendor that is asked again and again, and the lake that fills, with others' data maybe.

    `known` is all that the vendor has ever had.
    """

    truth: Truth
    data: DataDir
    policy: Policy = IMPATIENT
    now: datetime = NOW
    _pause: timedelta = LATER
    known: set[tuple[Key, str | None]] = field(default_factory=set)
    _seen: set[Path] = field(default_factory=set)
    _rows: list[tuple[Any, tuple[Key, str | None]]] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    @property
    def lake(self) -> Lake:
        return Lake(self.data, self.clock)

    def asks(self) -> list[Ask]:
        """Return what is wanted of new providers, and what the vendor does not have."""
        environment = Environment(self.truth.environment)
        providers = {
            kind: kind(environment, self.clock, policy=self.policy, state_dir=self.data.vendors)
            for kind in self.truth.kinds
        }
        wanted = (*self.truth.wanted, self.truth.unknown)
        return [Ask(providers[kind], request) for kind, request in wanted]

    def run(self, *, force: bool = False) -> bool:
        """Ask as a process of its own would, later than the one before; return whether all came."""
        self.now += self._pause
        self.truth.set_time(self.now)
        self.known |= set(self.truth.rows().items())
        reports = land_all(self.asks(), self.lake, force=force, clock=self.clock)
        whole = [self._is_whole(report) for report in reports]  # each is looked at
        # What was refused by mistake, and again later, is asked for when that is forgotten.
        self._pause = REMEMBERED if any(report.refused for report in reports) else LATER
        return all(whole)

    def run_until_all_is_there(self, *, force: bool = False) -> None:
        for _ in range(ENOUGH_RUNS):
            if self.run(force=force):
                break
        else:
            pytest.fail("the vendor is fine by now, and yet not all is landed")
        assert self.newest(only_wanted=True) == self.truth.in_range()

    def rows(self) -> list[tuple[Key, str | None]]:
        """Return what is in the lake, in the order in which it came."""
        names = [kind.name for kind in self.truth.kinds]
        paths = {path for name in names for path in (self.data.raw / name).rglob("*.parquet")}
        for path in paths - self._seen:
            self._seen.add(path)
            provider, dataset, *_ = path.relative_to(self.data.raw).parts
            told = self.truth.told[dataset]
            for row in pq.read_table(path).to_pylist():
                value = next((row[name] for name in told.values if row[name] is not None), None)
                key = (provider, dataset, *(row[name] for name in told.by))
                order = (row["_fetched_at"], row["_batch_id"], row["_row"])
                self._rows.append((order, (key, value)))
        self._rows.sort(key=itemgetter(0))
        return [row for _, row in self._rows]

    def newest(self, *, only_wanted: bool = False) -> Rows:
        """Return what the lake says of each key by what came last."""
        newest = dict(self.rows())
        wanted = self.truth.in_range()
        return {k: v for k, v in newest.items() if not only_wanted or k in wanted}

    def _is_whole(self, report: LandingReport) -> bool:
        """Return whether a dataset is landed; what is missing must be explained."""
        assert report.asked >= len(report.failures)
        assert all(failure.error.strip() for failure in report.failures)
        assert all(reason.strip() for reason in report.not_asked)
        _, unknown = self.truth.unknown
        failures = [
            each
            for each in (*report.failures, *report.refused)
            if each.request.symbol != unknown.symbol
        ]
        is_whole = not (failures or report.partial or report.not_asked)
        letters = list((self.data.dead_letter / report.provider / report.dataset).rglob("*.json"))
        assert len(letters) >= report.dead_letters
        for path in letters:
            letter = json.loads(path.read_text(encoding="utf-8"))
            assert letter["error"]
            assert letter["context"]["request"]
        assert set(self.rows()) <= self.known, "the vendor never said that"
        if is_whole:
            key = (report.provider, report.dataset)
            wanted = {row for row in self.truth.in_range() if row[:2] == key}
            missing = wanted - self.newest().keys()
            assert not missing, f"missing without a word: {len(missing)} of {len(wanted)}"
        return is_whole


def misbehave(runs: Runs, names: Sequence[str], chance: random.Random) -> None:
    for name in names:
        runs.truth.vendor.fail("", *MISBEHAVIOURS[name](runs.truth, chance))
