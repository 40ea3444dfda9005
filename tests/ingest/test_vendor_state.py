"""The circuit breaker: when it opens, how it closes, and what the next process knows of it."""

import asyncio
import json
import multiprocessing
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.provider import (
    AccessError,
    EntitlementError,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    RetryableError,
    TerminalError,
    UnavailableError,
    UnknownSymbolError,
)
from ingest.vendor_state import Breaker, BreakerState, VendorState, read_states

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
BUSY = RetryableError("HTTP 503: busy")


@dataclass
class World:
    """A folder of states, and the time."""

    folder: Path
    now: datetime = NOW

    def breaker(self, *, key: str = "1a2b") -> Breaker:
        """Return a breaker as a new process has it."""
        return Breaker(
            "shop",
            self.folder,
            key=key,
            failures_to_open=3,
            cooldown_seconds=60,
            cooldown_max_seconds=200,
            trial_seconds=30,
            clock=lambda: self.now,
        )

    def state(self) -> VendorState:
        (state,) = read_states(self.folder, lambda: self.now)
        return state


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "vendors")


def ask(breaker: Breaker, error: BaseException | None = None) -> ProviderError | None:
    """Ask one question that ends as said, and return how it ended."""

    async def asking() -> None:
        async with breaker.question():
            if error is not None:
                raise error

    try:
        asyncio.run(asking())
    except ProviderError as caught:
        return caught
    return None


def refused_until(breaker: Breaker) -> datetime:
    error = ask(breaker)
    assert isinstance(error, UnavailableError)
    return error.until


# -- opening ---------------------------------------------------------------------------------------


def test_it_opens_after_so_many_failures_in_a_row(world: World) -> None:
    breaker = world.breaker()
    for error in (BUSY, BUSY, None, BUSY, BUSY):
        ask(breaker, error)
    assert breaker.state.state is BreakerState.CLOSED
    assert ask(breaker, BUSY) is BUSY
    assert refused_until(breaker) == NOW + MINUTE


@pytest.mark.parametrize(
    "error",
    [
        TerminalError("HTTP 400: no"),
        EntitlementError("not in the plan"),
        UnknownSymbolError("no such symbol"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_concerns_one_question_never_opens_it(world: World, error: ProviderError) -> None:
    breaker = world.breaker()
    for _ in range(20):
        assert ask(breaker, error) is error
    assert ask(breaker) is None
    assert breaker.state.state is BreakerState.CLOSED


def test_a_vendor_that_sends_pages_in_place_of_answers_is_left_alone(world: World) -> None:
    breaker, page = world.breaker(), MalformedError("no JSON", "<html>maintenance</html>")
    for error in (page, page, None, page, BUSY):
        ask(breaker, error)
    assert breaker.state.state is BreakerState.CLOSED, "one bad answer among good ones is harmless"
    assert ask(breaker, page) is page
    assert refused_until(breaker) == NOW + MINUTE
    assert world.state().last_error == "no JSON"


def test_a_refused_key_opens_it_at_once(world: World) -> None:
    breaker = world.breaker()
    ask(breaker, AccessError("HTTP 401: bad key"))
    error = ask(breaker)
    assert str(error) == (
        "shop is not asked until 2026-03-10T12:01:00Z, as it keeps failing"
        " (last: HTTP 401: bad key): run the same command again later"
    )


def test_a_spent_quota_opens_it_until_the_vendor_says(world: World) -> None:
    breaker = world.breaker()
    ask(breaker, QuotaSpentError("25 requests a day", NOW + timedelta(hours=7)))
    assert refused_until(breaker) == NOW + timedelta(hours=7)
    assert world.state().is_quota_spent
    world.now += timedelta(hours=7)
    assert ask(breaker) is None
    assert not world.state().is_quota_spent


def test_a_question_under_way_is_told(world: World) -> None:
    breaker = world.breaker()
    breaker.check()
    ask(breaker, AccessError("bad key"))
    with pytest.raises(UnavailableError):
        breaker.check()


# -- closing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, TerminalError("HTTP 400: no")])
def test_an_answer_to_the_trial_closes_it(world: World, answer: ProviderError | None) -> None:
    breaker = world.breaker()
    ask(breaker, AccessError("bad key"))
    world.now += MINUTE
    ask(breaker, answer)
    assert breaker.state.state is BreakerState.CLOSED
    assert ask(breaker) is None
    assert world.state().since == world.now


def test_the_cool_down_doubles_with_every_failed_trial_up_to_its_most(world: World) -> None:
    breaker = world.breaker()
    ask(breaker, AccessError("bad key"))
    lengths = []
    for error in (BUSY, MalformedError("no JSON", "<html>"), AccessError("bad key")):
        world.now = refused_until(breaker)
        assert ask(breaker, error) is error
        lengths.append(refused_until(breaker) - world.now)
    assert lengths == [120 * SECOND, 200 * SECOND, 200 * SECOND]
    world.now = refused_until(breaker)
    ask(breaker)
    ask(breaker, AccessError("bad key"))
    assert refused_until(breaker) - world.now == MINUTE


def test_others_wait_for_the_trial_and_follow_its_outcome(world: World) -> None:
    async def outcome_of(trial_error: Exception | None) -> tuple[list[str], list[object]]:
        breaker = world.breaker()
        asked: list[str] = []
        answered = asyncio.Event()

        async def question(name: str) -> None:
            async with breaker.question():
                asked.append(name)
                await answered.wait()
                if trial_error is not None:
                    raise trial_error

        tasks = [asyncio.create_task(question(name)) for name in ("first", "second", "third")]
        for _ in range(5):
            await asyncio.sleep(0)
        assert asked == ["first"]
        answered.set()
        return asked, list(await asyncio.gather(*tasks, return_exceptions=True))

    ask(world.breaker(), AccessError("bad key"))
    world.now += MINUTE
    asked, ended = asyncio.run(outcome_of(BUSY))
    assert asked == ["first"]
    assert [type(each) for each in ended] == [RetryableError, UnavailableError, UnavailableError]

    world.now += 2 * MINUTE
    asked, ended = asyncio.run(outcome_of(None))
    assert sorted(asked) == ["first", "second", "third"]
    assert ended == [None, None, None]


def test_a_trial_that_was_interrupted_leaves_it_to_the_next(world: World) -> None:
    breaker = world.breaker()
    ask(breaker, AccessError("bad key"))
    world.now += MINUTE

    async def interrupted() -> None:
        async with breaker.question():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert ask(breaker) is None
    assert breaker.state.state is BreakerState.CLOSED


def under_way(breaker: Breaker, *steps: tuple[str, BaseException | None]) -> None:
    """Begin every question named in `steps`, then end them in that order."""

    async def asking() -> None:
        ends = {name: asyncio.Event() for name, _ in steps}

        async def question(name: str, error: BaseException | None) -> None:
            async with breaker.question():
                await ends[name].wait()
                if error is not None:
                    raise error

        tasks = {name: asyncio.create_task(question(name, error)) for name, error in steps}
        await asyncio.sleep(0)
        for name, task in tasks.items():
            ends[name].set()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asking())


SPENT = QuotaSpentError("25 requests a day", NOW + timedelta(hours=7))


@pytest.mark.parametrize(
    "late",
    [
        None,
        BUSY,
        MalformedError("no JSON", "<html>"),
        AccessError("bad key"),
        TerminalError("HTTP 400: no"),
        QuotaSpentError("and 1 a second", NOW + MINUTE),
    ],
    ids=repr,
)
def test_what_was_under_way_when_the_quota_was_spent_changes_nothing(
    world: World, late: ProviderError | None
) -> None:
    breaker = world.breaker()
    under_way(breaker, ("refused", SPENT), ("late", late), ("later", late), ("latest", late))
    assert refused_until(breaker) == SPENT.until
    state = world.state()
    assert (state.last_error, state.is_quota_spent, state.failures) == (str(SPENT), True, 0)


def test_what_was_under_way_when_it_opened_may_still_say_that_the_quota_is_spent(
    world: World,
) -> None:
    breaker = world.breaker()
    under_way(breaker, ("refused", AccessError("bad key")), ("late", SPENT))
    assert refused_until(breaker) == SPENT.until


def test_a_trial_does_not_close_what_opened_after_it_had_begun(world: World) -> None:
    async def asking() -> None:
        breaker, before = world.breaker(), asyncio.Event()

        async def begun_before() -> None:
            async with breaker.question():
                await before.wait()
                raise SPENT

        early = asyncio.create_task(begun_before())
        await asyncio.sleep(0)
        with pytest.raises(AccessError):
            async with breaker.question():
                raise AccessError("bad key")
        world.now += MINUTE
        async with breaker.question():
            before.set()
            await asyncio.gather(early, return_exceptions=True)

    asyncio.run(asking())
    assert refused_until(world.breaker()) == SPENT.until


# -- across processes ------------------------------------------------------------------------------


def test_the_next_process_respects_it(world: World) -> None:
    ask(world.breaker(), AccessError("bad key"))
    assert refused_until(world.breaker()) == NOW + MINUTE


def test_failures_of_several_processes_add_up(world: World) -> None:
    breakers = [world.breaker() for _ in range(3)]
    for breaker in breakers:
        ask(breaker, BUSY)
    assert all(refused_until(breaker) == NOW + MINUTE for breaker in breakers)


def test_while_one_process_tries_others_do_not(world: World) -> None:
    ask(world.breaker(), AccessError("bad key"))
    world.now += MINUTE

    async def during_a_trial() -> datetime:
        async with world.breaker().question():
            with pytest.raises(UnavailableError) as caught:
                async with world.breaker().question():
                    pytest.fail("asked although another process tries")
            return caught.value.until

    assert asyncio.run(during_a_trial()) == world.now + 30 * SECOND
    assert ask(world.breaker()) is None


def test_a_trial_whose_process_died_counts_only_so_long(world: World) -> None:
    ask(world.breaker(), AccessError("bad key"))
    world.now += MINUTE
    process = multiprocessing.get_context("spawn").Process(target=die_in_trial, args=(world,))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert refused_until(world.breaker()) == world.now + 30 * SECOND
    world.now += 30 * SECOND
    assert ask(world.breaker()) is None


def die_in_trial(world: World) -> None:
    async def asking() -> None:
        async with world.breaker().question():
            os._exit(9)

    asyncio.run(asking())


def test_another_key_starts_anew(world: World) -> None:
    breaker = world.breaker()
    breaker.asked()
    ask(breaker, AccessError("bad key"))
    assert ask(world.breaker(key="3c4d")) is None
    assert world.breaker(key="3c4d").state.last_error is None


def test_without_a_folder_it_ends_with_its_process() -> None:
    first, second = Breaker("shop"), Breaker("shop")
    ask(first, AccessError("bad key"))
    assert isinstance(ask(first), UnavailableError)
    assert ask(second) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"provider": "shop"}', '{"state": "ajar"}'])
def test_a_file_that_says_nothing_is_nothing(world: World, content: str) -> None:
    world.folder.mkdir()
    (world.folder / "shop.json").write_text(content, encoding="utf-8")
    assert read_states(world.folder) == []
    assert ask(world.breaker(), AccessError("bad key")) is not None
    assert world.state().state is BreakerState.OPEN


# -- what is shown ---------------------------------------------------------------------------------


def test_state_is_readable(world: World) -> None:
    breaker = world.breaker()
    breaker.asked()
    breaker.remaining(41)
    ask(breaker, AccessError("HTTP 401: bad key ***"))
    assert json.loads((world.folder / "shop.json").read_text(encoding="utf-8")) == {
        "provider": "shop",
        "state": "open",
        "since": "2026-03-10T12:00:00.000000Z",
        "until": "2026-03-10T12:01:00.000000Z",
        "is_quota_spent": False,
        "failures": 0,
        "trips": 1,
        "last_error": "HTTP 401: bad key ***",
        "last_error_at": "2026-03-10T12:00:00.000000Z",
        "quota_remaining": 41,
        "quota_remaining_at": "2026-03-10T12:00:00.000000Z",
        "day": "2026-03-10",
        "requests_today": 1,
        "key": "1a2b",
    }
    assert world.state() == breaker.state


def test_requests_are_counted_by_day_across_processes(world: World) -> None:
    for _ in range(2):
        breaker = world.breaker()
        for _ in range(10):
            breaker.asked()
        breaker.flush()
    assert world.state().requests_today == 20
    world.now += timedelta(hours=12)
    assert world.state().requests_today == 0
    breaker.asked()
    breaker.flush()
    assert world.state().requests_today == 1
    assert world.state().day == "2026-03-11"


def test_counting_writes_at_most_once_a_second(world: World) -> None:
    breaker = world.breaker()
    breaker.asked()
    written = (world.folder / "shop.json").stat()
    for _ in range(100):
        breaker.asked()
    assert (world.folder / "shop.json").stat() == written
    world.now += SECOND
    breaker.asked()
    assert world.state().requests_today == 102


def test_what_was_left_is_told_until_its_window_has_passed(world: World) -> None:
    breaker = world.breaker()
    breaker.remaining(41)
    breaker.asked()
    later = world.breaker()
    later.asked()
    assert [world.state().remaining(NOW + age * SECOND, 60) for age in (0, 59, 60)] == [
        41,
        41,
        None,
    ]


def test_a_file_of_an_earlier_version_still_counts(world: World) -> None:
    ask(world.breaker(), AccessError("bad key"))
    file = world.folder / "shop.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    del values["quota_remaining_at"]
    file.write_text(json.dumps(values), encoding="utf-8")
    assert refused_until(world.breaker()) == NOW + MINUTE


def test_no_folder_has_no_states(tmp_path: Path) -> None:
    assert read_states(tmp_path / "nowhere") == []
