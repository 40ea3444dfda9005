"""Whatever a vendor does, the lake comes to hold what the vendor has, and no failure is silent.

Every local vendor is asked over real HTTP while it misbehaves, run after run.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.backfill import missing_parts
from ingest.http import Policy
from ingest.settings import DataDir
from tests.fake_vendors.server import UNLIMITED
from tests.ingest.asking import HASTY
from tests.ingest.misbehaving import IMPATIENT, MISBEHAVIOURS, Runs, misbehave
from tests.ingest.truths import TRUTHS


@contextmanager
def asked(name: str, policy: Policy = IMPATIENT) -> Iterator[Runs]:
    """Run a vendor, with a lake of its own."""
    truth = TRUTHS[name]()
    truth.vendor.limits = UNLIMITED
    with truth.vendor.running(), TemporaryDirectory() as folder:
        yield Runs(truth, DataDir(Path(folder)), policy)


def prove(name: str, before: Sequence[str], after: Sequence[str], seed: int) -> None:
    """Let a vendor misbehave while it is asked first, and again while it is asked anew."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    with asked(name) as runs:
        misbehave(runs, before, chance)
        runs.run_until_all_is_there()
        ranges = [ask for ask in runs.asks()[:-1] if ask.dataset.kind == "range"]
        for ask in ranges:
            ledger = runs.lake.ledger(ask.provider.name, ask.dataset.name)
            assert not list(missing_parts(ask, ledger, clock=runs.clock))
        runs.truth.restate()
        misbehave(runs, after, chance)
        runs.run_until_all_is_there(force=True)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_vendor_that_behaves_is_landed_at_once(name: str) -> None:
    with asked(name, HASTY) as runs:  # which waits for it, however slow the machine is
        assert runs.run()
        newest = runs.newest(only_wanted=True)
        assert newest == runs.truth.in_range()
        assert len(newest) >= 10
        assert len(runs.rows()) == len(runs.newest()), "nothing comes twice"
        runs.truth.restate()
        assert runs.run(force=True)
        assert runs.newest(only_wanted=True) == runs.truth.in_range() != newest


AGAIN = ("doubles and shuffles rows", "sends rows beside", "cuts off", "refuses", "throttles")


@pytest.mark.parametrize("name", TRUTHS)
def test_every_misbehaviour_once(name: str) -> None:
    names = list(MISBEHAVIOURS)
    random.Random(name).shuffle(names)  # noqa: S311 - not for secrets
    prove(name, names, AGAIN, seed=1)


SOME = st.lists(st.sampled_from(list(MISBEHAVIOURS)), max_size=12)


@pytest.mark.weekly
@pytest.mark.parametrize("name", TRUTHS)
@settings(max_examples=40, deadline=None)
@given(before=SOME, after=SOME, seed=st.integers(0, 99))
def test_any_misbehaviours(name: str, before: list[str], after: list[str], seed: int) -> None:
    prove(name, before, after, seed)
