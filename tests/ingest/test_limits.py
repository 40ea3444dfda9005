"""Rate limits, as a server counts them and in virtual time."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.http import HttpClient, Policy
from ingest.limits import RateLimit, RateLimiter
from ingest.provider import QuotaSpentError
from tests.fake_vendors.server import Asked, FakeVendor, Limit, Reply, reply

NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)


class Vendor(FakeVendor):
    """A vendor that answers anything."""

    def answer(self, asked: Asked) -> Reply:
        return reply({"path": asked.path})


@dataclass
class VirtualTime:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return NOW + timedelta(seconds=self.now - 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def limiter(self, *limits: RateLimit, patience_seconds: float = 1e9) -> RateLimiter:
        return RateLimiter(
            limits,
            patience_seconds=patience_seconds,
            clock=self.utc,
            monotonic=self.monotonic,
            sleep=self.sleep,
        )


async def take(limiter: RateLimiter, time_: VirtualTime, count: int) -> list[float]:
    """Return when each of `count` requests was sent."""
    moments = []
    for _ in range(count):
        with await limiter.acquire() as permit:
            permit.sent()
        moments.append(time_.now)
    return moments


def most_within(seconds: float, moments: Sequence[float]) -> int:
    """Return the most moments in any half-open window of that length."""
    ordered = sorted(moments)
    return max(
        sum(start <= moment < start + seconds for moment in ordered[first:])
        for first, start in enumerate(ordered)
    )


# -- as counted at the server ----------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [4, 50])
def test_rate_at_the_server_comes_close_to_the_limit_and_never_above(
    monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    policy = Policy(limits=(RateLimit(40, per_seconds=1),), concurrency=concurrency)

    async def ask(url: str) -> None:
        http = HttpClient(url, policy=policy)
        try:
            await asyncio.gather(*(http.get("/", {}, dict) for _ in range(80)))
        finally:
            await http.close()

    def achieved() -> float:
        with Vendor(limits=(Limit(40, 1),), latency_seconds=0.01).running() as vendor:
            asyncio.run(ask(vendor.url))
        arrivals = [asked.at for asked in vendor.asked]
        assert len(arrivals) == 80
        assert vendor.throttled_count == 0
        assert most_within(1, arrivals) <= 40
        return 79 / (max(arrivals) - min(arrivals))

    # A machine that is busy otherwise makes it slower, never faster: one undisturbed run will do.
    assert any(achieved() >= 0.95 * 40 for _ in range(4))


def test_requests_that_are_slow_to_be_sent_do_not_bunch_with_the_next() -> None:
    # Ten may go in a second. The first ten wait for their connections: counted from when they were
    # let go, the next ten would follow too soon after them.
    time_ = VirtualTime()
    limiter = time_.limiter(RateLimit(10, per_seconds=1))

    async def ask() -> list[float]:
        arrivals = []
        with ExitStack() as sending:
            permits = [sending.enter_context(await limiter.acquire()) for _ in range(10)]
            time_.now += 0.5
            for permit in permits:
                permit.sent()
                arrivals.append(time_.now)
        return arrivals + await take(limiter, time_, 10)

    arrivals = asyncio.run(ask())
    assert most_within(1, arrivals) == 10
    assert arrivals[-1] - arrivals[0] < 2.1


def test_a_request_without_an_answer_may_still_be_on_its_way() -> None:
    time_ = VirtualTime()
    limiter = time_.limiter(RateLimit(1, per_seconds=1))

    async def ask() -> float:
        with await limiter.acquire() as permit:
            permit.sent()
            next_one = asyncio.create_task(limiter.acquire())
            for _ in range(20):  # asks again about every second
                await asyncio.sleep(0)
            assert time_.now > 1005
            assert not next_one.done()
        sent_until = time_.now
        with await next_one:
            return time_.now - sent_until

    assert 1 <= asyncio.run(ask()) < 2.1


def test_a_request_given_up_before_it_is_sent_is_not_counted() -> None:
    time_ = VirtualTime()
    limiter = time_.limiter(RateLimit(2, per_seconds=3600), RateLimit(1, 10), patience_seconds=1)

    async def ask() -> None:
        await take(limiter, time_, 1)
        for _ in range(5):  # there is room in the hour, not in the ten seconds
            with pytest.raises(QuotaSpentError):
                await limiter.acquire()
        time_.now += 10
        await take(limiter, time_, 1)

    asyncio.run(ask())


# -- in virtual time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        (RateLimit(1, per_seconds=1),),
        (RateLimit(5, per_seconds=1), RateLimit(75, per_seconds=60)),
        (RateLimit(5, per_seconds=1), RateLimit(75, per_seconds=60), RateLimit(100, 86400)),
        (RateLimit(100, per_seconds=1),),
        (RateLimit(200, per_seconds=60),),
        (RateLimit(10, per_seconds=1), RateLimit(600, per_seconds=60)),
    ],
    ids=lambda limits: " and ".join(map(str, limits)),
)
def test_all_limits_hold_together_and_the_tightest_is_used_up(
    limits: tuple[RateLimit, ...],
) -> None:
    time_ = VirtualTime()
    moments = asyncio.run(take(time_.limiter(*limits), time_, 400))
    for limit in limits:
        assert most_within(limit.per_seconds, moments) <= limit.requests
    # Of the tightest, whole windows: what is left at the end depends on where it is cut.
    tightest = min(limits, key=lambda limit: limit.requests / limit.per_seconds)
    windows = 400 / tightest.requests - 1
    least = windows * tightest.per_seconds
    assert least <= moments[-1] - moments[0] + tightest.per_seconds
    assert moments[-1] - moments[0] <= (windows + 1) * tightest.per_seconds / 0.95


def test_a_day_used_up_is_said_and_not_waited_for() -> None:
    time_ = VirtualTime()
    limiter = time_.limiter(RateLimit(2, per_seconds=86400), patience_seconds=60)

    async def ask() -> None:
        await take(limiter, time_, 1)
        time_.now += 3600
        await take(limiter, time_, 1)
        with pytest.raises(QuotaSpentError) as caught:
            await limiter.acquire()
        room = NOW + timedelta(days=1)
        assert room <= caught.value.until <= room + timedelta(seconds=1)
        time_.now += 82770  # a day after the first, but for half a minute: worth waiting for
        await take(limiter, time_, 1)

    asyncio.run(ask())
    assert sum(time_.slept) == pytest.approx(30, abs=0.01)


def test_a_pause_holds_back_every_request() -> None:
    time_ = VirtualTime()
    limiter = time_.limiter()

    async def ask() -> list[float]:
        limiter.pause(30)
        limiter.pause(10)
        return await take(limiter, time_, 2)

    assert asyncio.run(ask()) == [1030, 1030]


def test_a_pause_holds_back_what_already_waits_for_its_turn() -> None:
    time_ = VirtualTime()
    limiter = time_.limiter(RateLimit(1, per_seconds=10))

    async def ask() -> list[float]:
        first = await take(limiter, time_, 1)
        queued = asyncio.create_task(take(limiter, time_, 1))
        await asyncio.sleep(0)  # it sleeps until there is room, at 1010
        limiter.pause(30)
        return first + await queued

    assert asyncio.run(ask()) == pytest.approx([1000, 1040], abs=0.01)


def test_nothing_is_waited_for_without_limits() -> None:
    time_ = VirtualTime()
    asyncio.run(take(time_.limiter(), time_, 1000))
    assert time_.slept == []


def test_waiting_does_not_block_the_event_loop(tmp_path: Path) -> None:
    limiter = RateLimiter(
        [RateLimit(1, per_seconds=0.2), RateLimit(50, per_seconds=60)], file=tmp_path / "limits"
    )

    async def ask() -> float:
        longest, last, done = 0.0, time.monotonic(), asyncio.Event()

        async def tick() -> None:
            nonlocal longest, last
            while not done.is_set():
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()

        ticking = asyncio.create_task(tick())
        for _ in range(3):
            with await limiter.acquire():
                pass
        done.set()
        await ticking
        limiter.close()
        return longest

    assert asyncio.run(ask()) < 0.15


# -- shared by processes ---------------------------------------------------------------------------


def take_until_spent(file: Path, limit: RateLimit) -> int:
    """Return how many permits a process gets out of a limit."""

    async def ask() -> int:
        limiter = RateLimiter([limit], file=file, patience_seconds=1)
        count = 0
        try:
            while True:
                with await limiter.acquire():
                    count += 1
        except QuotaSpentError:
            return count
        finally:
            limiter.close()

    return asyncio.run(ask())


def test_processes_at_once_share_one_limit(tmp_path: Path) -> None:
    limit = RateLimit(60, per_seconds=3600)
    file = tmp_path / "vendors" / "shop-1a2b.sqlite"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        counts = pool.starmap(take_until_spent, [(file, limit)] * 4, chunksize=1)
    assert sum(counts) == 60
    assert take_until_spent(file, limit) == 0
    assert take_until_spent(tmp_path / "another-key.sqlite", limit) == 60


def test_a_request_counts_in_every_window_whoever_sent_it(tmp_path: Path) -> None:
    file = tmp_path / "limits.sqlite"
    assert take_until_spent(file, RateLimit(3, per_seconds=3600)) == 3
    assert take_until_spent(file, RateLimit(4, per_seconds=86400)) == 1


def ask_many(url: str, folder: Path, requests: int) -> None:
    """Ask as one process of several does, all of them with one key."""
    policy = Policy(limits=(RateLimit(*SHARED),), concurrency=4)

    async def asking() -> None:
        http = HttpClient(url, policy=policy, state_dir=folder)
        try:
            await asyncio.gather(*(http.get("/", {}, dict) for _ in range(requests)))
        finally:
            await http.close()

    asyncio.run(asking())


SHARED = (5, 0.5)


def test_processes_at_once_share_a_limit_of_less_than_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        Vendor(limits=(Limit(*SHARED),), latency_seconds=0.01).running() as vendor,
        multiprocessing.get_context("spawn").Pool(2) as pool,
    ):
        pool.starmap(ask_many, [(vendor.url, tmp_path, 8)] * 2, chunksize=1)
    arrivals = [asked.at for asked in vendor.asked]
    assert (len(arrivals), vendor.throttled_count) == (16, 0)
    assert most_within(SHARED[1], arrivals) <= SHARED[0]


def test_limiters_of_one_file_let_one_go_at_a_time(tmp_path: Path) -> None:
    """Three assets of one vendor: each has a client of its own."""
    limiters = [RateLimiter([RateLimit(1, 0.1)], file=tmp_path / "limits") for _ in range(3)]

    async def sent(limiter: RateLimiter) -> float:
        with await limiter.acquire() as permit:
            permit.sent()
            return time.monotonic()

    async def asking() -> list[float]:
        return list(await asyncio.gather(*(sent(limiter) for limiter in limiters)))

    moments = asyncio.run(asking())
    assert most_within(0.099, moments) == 1
    assert max(moments) - min(moments) < 1
    for limiter in limiters:
        limiter.close()


def test_a_request_that_is_slow_to_arrive_counts_from_then_on_for_others_too(
    tmp_path: Path,
) -> None:
    one, other = (RateLimiter([RateLimit(1, 0.2)], file=tmp_path / "limits") for _ in range(2))

    async def asking() -> float:
        with await one.acquire() as permit:
            permit.sent()
            following = asyncio.create_task(other.acquire())
            await asyncio.sleep(0.5)
            assert not following.done(), "it may not have arrived yet"
        arrived = time.monotonic()
        one.close()
        with await following:
            return time.monotonic() - arrived

    assert 0.199 <= asyncio.run(asking()) < 1
    other.close()


def die_with_a_request_under_way(file: Path) -> None:
    async def asking() -> None:
        with await RateLimiter([RateLimit(1, 0.2)], file=file).acquire():
            os._exit(9)

    asyncio.run(asking())


def test_a_process_that_died_holds_nobody_up(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    process = multiprocessing.get_context("spawn").Process(
        target=die_with_a_request_under_way, args=(file,)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    limiter = RateLimiter([RateLimit(1, 0.2)], file=file)

    async def asking() -> float:
        began = time.monotonic()
        with await limiter.acquire():
            return time.monotonic() - began

    assert 0.19 <= asyncio.run(asking()) < 2
    limiter.close()


def test_a_request_given_up_while_it_is_counted_does_not_count(tmp_path: Path) -> None:
    limiter = RateLimiter([RateLimit(2, per_seconds=3600)], file=tmp_path / "limits")

    async def asking() -> None:
        stopped = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        assert stopped.cancelled()
        await asyncio.sleep(0.1)
        for _ in range(2):
            with await limiter.acquire():
                pass
        assert limiter.remaining == 0

    asyncio.run(asking())
    limiter.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "limits.sqlite"
    file.write_bytes(b"no database" * 1000)
    limit = RateLimit(3, per_seconds=3600)
    assert RateLimiter([limit], file=file).remaining == 3
    assert take_until_spent(file, limit) == 3
    assert take_until_spent(file, limit) == 0


def test_a_pause_holds_back_whoever_shares_the_file(tmp_path: Path) -> None:
    one, other = (RateLimiter([RateLimit(9, 0.1)], file=tmp_path / "limits") for _ in range(2))

    async def asking() -> float:
        one.pause(0.4)
        began = time.monotonic()
        with await other.acquire():
            return time.monotonic() - began

    assert 0.39 <= asyncio.run(asking()) < 2
    one.close()
    other.close()
