"""The HTTP core against a real local server that misbehaves in every documented way."""

import asyncio
import gc
import logging
import socket
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import pytest

from ingest.clock import Clock, utc_now
from ingest.http import HttpClient, Policy, retry_after_seconds
from ingest.provider import MalformedError, ProviderError, RetryableError, TerminalError
from tests.fake_vendors.coinbase import HANG_UP, THROTTLED, FakeCoinbase, Fault, message

T = TypeVar("T")
E = TypeVar("E", bound=ProviderError)
Json: TypeAlias = Any

NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
HASTY = Policy(
    requests_per_second=1000,
    burst=100,
    attempts=3,
    backoff_seconds=0.001,
    backoff_max_seconds=0.005,
    attempt_seconds=2,
    deadline_seconds=5,
)
SECRET = "k3y/with+signs &more"  # noqa: S105 - made up
PRODUCTS = '[{"id":"BTC-USD","min":1.10}]'


def as_it_is(body: Json) -> Json:
    return body


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def vendor() -> Iterator[FakeCoinbase]:
    with FakeCoinbase(now=int(NOW.timestamp()), products=PRODUCTS).running() as running:
        yield running


def ask(
    vendor: FakeCoinbase,
    *,
    policy: Policy = HASTY,
    params: Mapping[str, str] | None = None,
    read: Callable[[Json], Json] = as_it_is,
    hints: Mapping[int, str] | None = None,
    headers: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    clock: Clock = utc_now,
) -> Json:
    """Ask for the products with a client of its own, as a provider does."""

    async def question(http: HttpClient) -> Json:
        return await http.get("/products", params or {}, read, hints or {})

    client = HttpClient(vendor.url, policy=policy, headers=headers, secrets=secrets, clock=clock)
    return run(client, question)


def run(http: HttpClient, question: Callable[[HttpClient], Awaitable[T]]) -> T:
    async def asking() -> T:
        try:
            return await question(http)
        finally:
            await http.close()

    return asyncio.run(asking())


def refusal(expected: type[E], asking: Callable[[], object]) -> E:
    with pytest.raises(expected) as caught:
        asking()
    assert type(caught.value) is expected
    return caught.value


# -- good answers ----------------------------------------------------------------------------------


def test_body_is_decoded_with_the_text_of_numbers(vendor: FakeCoinbase) -> None:
    assert ask(vendor) == [{"id": "BTC-USD", "min": "1.10"}]


def test_read_turns_the_body_into_the_answer(vendor: FakeCoinbase) -> None:
    assert ask(vendor, read=lambda body: body[0]["id"]) == "BTC-USD"


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/hal+json"]
)
def test_json_content_types_are_accepted(vendor: FakeCoinbase, content_type: str) -> None:
    vendor.fail("/products", Fault(content_type=content_type))
    assert ask(vendor)[0]["id"] == "BTC-USD"


def test_parameters_and_headers_arrive_as_given(vendor: FakeCoinbase) -> None:
    ask(vendor, params={"key": SECRET, "plain": "1"}, headers={"Authorization": "Bearer b"})
    (asked,) = vendor.asked
    assert asked.params == {"key": SECRET, "plain": "1"}
    assert asked.headers["Authorization"] == "Bearer b"
    assert asked.headers["User-Agent"].startswith("tapehouse/")


def test_client_works_again_after_close_and_in_another_event_loop(vendor: FakeCoinbase) -> None:
    http = HttpClient(vendor.url, policy=HASTY)

    async def question(client: HttpClient) -> Json:
        await client.get("/products", {}, as_it_is)
        await client.close()
        await client.close()
        return await client.get("/products", {}, as_it_is)

    assert run(http, question) == run(http, question) == [{"id": "BTC-USD", "min": "1.10"}]


@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")
def test_client_left_open_works_in_another_event_loop(vendor: FakeCoinbase) -> None:
    http = HttpClient(vendor.url, policy=HASTY)

    async def question(client: HttpClient) -> Json:
        return await client.get("/products", {}, as_it_is)

    first = asyncio.run(question(http))
    assert run(http, question) == first
    gc.collect()  # the connection left open complains here, not in another test


def test_rate_is_limited_after_a_burst(vendor: FakeCoinbase) -> None:
    policy = replace(HASTY, requests_per_second=25, burst=5)

    async def many(http: HttpClient) -> None:
        await asyncio.gather(*(http.get("/products", {}, as_it_is) for _ in range(15)))

    run(HttpClient(vendor.url, policy=policy), many)
    arrivals = sorted(asked.at for asked in vendor.asked)
    assert len(arrivals) == 15
    # Ten more than the burst take 0.4 s at 25/s; half of it allows for a slow first connection.
    assert arrivals[-1] - arrivals[0] >= 0.2


# -- trying again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        THROTTLED,
        message(500, "Internal server error"),
        message(502, "Bad gateway"),
        message(503, "Unavailable"),
        message(408, "Request timeout"),
        Fault(599, "<html>not even JSON</html>", "text/html"),
        HANG_UP,
        Fault(cut_after=7),
        Fault(delay_seconds=0.4),
        Fault(trickle_seconds=0.05),
    ],
    ids=str,
)
def test_a_passing_failure_is_tried_again(vendor: FakeCoinbase, fault: Fault) -> None:
    vendor.fail("/products", fault)
    policy = replace(HASTY, attempt_seconds=0.2)
    assert ask(vendor, policy=policy)[0]["id"] == "BTC-USD"
    assert len(vendor.asked) == 2


def test_read_timeout_is_tried_again(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(delay_seconds=0.4))
    assert ask(vendor, policy=replace(HASTY, read_seconds=0.1))[0]["id"] == "BTC-USD"


def test_giving_up_names_the_request_what_came_back_and_what_to_do(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", THROTTLED, times=9)
    error = refusal(RetryableError, lambda: ask(vendor, params={"limit": "5"}))
    assert str(error) == (
        f'GET {vendor.url}/products?limit=5: HTTP 429: {{"message": "Public rate limit exceeded"}};'
        " gave up after 3 tries: run the same command again later"
    )
    assert len(vendor.asked) == 3


def test_nobody_listening_is_retryable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = FakeCoinbase(now=0, url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        error = refusal(RetryableError, lambda: ask(nobody))
    assert "ConnectError" in str(error)
    assert "gave up after 3 tries" in str(error)


def test_waits_grow_and_are_bounded(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", THROTTLED, times=4)
    policy = replace(HASTY, attempts=5, backoff_seconds=0.05, backoff_max_seconds=0.12)
    ask(vendor, policy=policy)
    arrivals = [asked.at for asked in vendor.asked]
    waits = [later - earlier for earlier, later in pairwise(arrivals)]
    assert waits[0] >= 0.05
    assert waits[1] >= 0.1
    assert 0.12 <= waits[3] < 0.4  # doubling alone would have made it 0.4


def test_retry_after_in_seconds_is_honoured(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", message(429, "slow down", Retry_After="0.3"))
    ask(vendor)
    first, second = vendor.asked
    assert 0.3 <= second.at - first.at < 1


def test_retry_after_as_a_date_is_honoured(vendor: FakeCoinbase) -> None:
    date = "Tue, 10 Mar 2026 12:34:56 GMT"
    vendor.fail("/products", message(503, "maintenance", Retry_After=date))
    ask(vendor, clock=lambda: NOW - timedelta(seconds=0.3))
    first, second = vendor.asked
    assert 0.3 <= second.at - first.at < 1


def test_retry_after_never_shortens_the_wait(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", message(429, "slow down", Retry_After="0"))
    ask(vendor, policy=replace(HASTY, backoff_seconds=0.2, backoff_max_seconds=0.2))
    first, second = vendor.asked
    assert second.at - first.at >= 0.2


def test_retry_after_beyond_the_deadline_is_not_waited_for(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", message(429, "come back tomorrow", Retry_After="86400"))
    started = time.monotonic()
    error = refusal(RetryableError, lambda: ask(vendor))
    assert time.monotonic() - started < 1
    assert "it asks to wait 86400 s" in str(error)
    assert "gave up after 1 try" in str(error)
    assert len(vendor.asked) == 1


def test_deadline_bounds_all_tries_together(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(delay_seconds=0.4), times=9)
    started = time.monotonic()
    error = refusal(
        RetryableError,
        lambda: ask(
            vendor,
            policy=replace(HASTY, attempts=100, attempt_seconds=0.15, deadline_seconds=0.4),
        ),
    )
    assert time.monotonic() - started < 1.5
    assert "run the same command again later" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("-3", 0),
        ("soon", 0),
        ("nan", 0),
        ("inf", 0),
        ("٣", 0),
        ("Tue, 10 Mar 2026 12:35:56 GMT", 60),
        ("Tuesday, 10-Mar-26 12:35:56 GMT", 60),
        ("Tue, 10 Mar 2026 13:35:56 +0100", 60),
        ("Tue, 10 Mar 2026 12:00:00 GMT", 0),
        ("Tue, 99 Mar 2026 12:00:00 GMT", 0),
    ],
)
def test_retry_after_is_read_in_every_form(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


def test_retries_are_logged(vendor: FakeCoinbase, caplog: pytest.LogCaptureFixture) -> None:
    vendor.fail("/products", THROTTLED)
    with caplog.at_level(logging.INFO):
        ask(vendor)
    (record,) = [record for record in caplog.records if record.name == "ingest.http"]
    assert "HTTP 429" in record.getMessage()
    assert "trying again in" in record.getMessage()


# -- what asking again cannot help -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (301, "correct the base URL"),
        (400, "correct the request"),
        (401, "check the key"),
        (403, "check the key"),
        (404, "correct the request"),
        (430, "correct the request"),
    ],
)
def test_refusals_are_terminal_and_say_what_to_do(
    vendor: FakeCoinbase, status: int, advice: str
) -> None:
    vendor.fail("/products", message(status, "No\n  because"), times=9)
    error = refusal(TerminalError, lambda: ask(vendor))
    assert str(error).startswith(f"GET {vendor.url}/products: HTTP {status}: ")
    assert "because" in str(error)
    assert advice in str(error)
    assert len(vendor.asked) == 1


def test_hint_of_the_vendor_replaces_the_general_advice(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", message(404, "NotFound"))
    error = refusal(TerminalError, lambda: ask(vendor, hints={404: "spell it properly"}))
    assert str(error).endswith('HTTP 404: {"message": "NotFound"}; spell it properly')


def test_long_pages_are_not_repeated_in_the_error(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(403, "<p>" + "blocked " * 5000, "text/html"))
    assert len(str(refusal(TerminalError, lambda: ask(vendor)))) < 500


@pytest.mark.parametrize(
    "base_url", ["api.example.com", "ftp://example.com", "http://host:port", ""]
)
def test_unusable_base_url_is_terminal(base_url: str) -> None:
    error = refusal(TerminalError, lambda: ask(FakeCoinbase(now=0, url=base_url)))
    assert "correct the base URL in the settings" in str(error)


# -- answers that cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(body="<html>busy</html>", content_type="text/html"), "the answer is text/html"),
        (Fault(body=PRODUCTS, content_type="text/plain"), "the answer is text/plain"),
        (Fault(body=PRODUCTS, content_type=None), "the answer is of no type"),
        (Fault(body="<html>busy</html>"), "JSONDecodeError"),
        (Fault(body='[{"id":"BTC-'), "JSONDecodeError"),
        (Fault(body=""), "JSONDecodeError"),
        (Fault(body="[" * 100_000), "RecursionError"),
        (Fault(204, ""), "JSONDecodeError"),
    ],
    ids=["html", "plain", "no type", "html as json", "truncated", "empty", "deep", "no content"],
)
def test_unreadable_body_is_malformed_and_kept(
    vendor: FakeCoinbase, fault: Fault, says: str
) -> None:
    vendor.fail("/products", fault, times=9)
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == fault.body
    assert str(error).startswith(f"GET {vendor.url}/products: ")
    assert says in str(error)
    assert len(vendor.asked) == 1


def test_body_that_is_not_utf8_is_malformed_and_kept_readable(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(body=b'["caf\xe9"]'))
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == '["caf�"]'


def test_answer_cut_off_every_time_is_malformed_with_what_arrived(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(cut_after=7), times=9)
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == PRODUCTS[:7]
    assert "in each of 3 tries" in str(error)
    assert len(vendor.asked) == 3


@pytest.mark.parametrize(
    "read",
    [lambda body: body["candles"], lambda body: body[7], lambda body: int(body[0]["id"])],
    ids=["no such key", "no such position", "not a number"],
)
def test_body_of_another_shape_is_malformed(
    vendor: FakeCoinbase, read: Callable[[Json], Json]
) -> None:
    error = refusal(MalformedError, lambda: ask(vendor, read=read))
    assert error.body == PRODUCTS


def test_error_the_vendor_reports_in_a_good_answer_is_tried_again(vendor: FakeCoinbase) -> None:
    vendor.fail("/products", Fault(body='{"Note": "at most 5 calls a minute"}'))

    def read(body: Json) -> Json:
        if "Note" in body:
            raise RetryableError(body["Note"])
        return body

    assert ask(vendor, read=read)[0]["id"] == "BTC-USD"
    assert len(vendor.asked) == 2


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(401, f'{{"message": "bad key {SECRET}"}}'), TerminalError),
        (Fault(500, f"key {SECRET} broke it"), RetryableError),
        (Fault(body=f"<p>{SECRET} k3y%2Fwith%2Bsigns%20%26more</p>"), MalformedError),
        (Fault(body=f"<p>{SECRET}</p>", content_type="text/html"), MalformedError),
        (Fault(body=f'["{SECRET}", "and so on"]', cut_after=26), MalformedError),
        (HANG_UP, RetryableError),
    ],
    ids=["refused", "server error", "malformed", "wrong type", "cut off", "hang-up"],
)
def test_secrets_never_show(
    vendor: FakeCoinbase,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    expected: type[ProviderError],
) -> None:
    vendor.fail("/products", fault, times=9)
    with caplog.at_level(logging.DEBUG, logger="ingest"), caplog.at_level(logging.INFO):
        error = refusal(
            expected,
            lambda: ask(
                vendor,
                params={"apikey": SECRET, "symbol": "IBM"},
                headers={"Authorization": f"Bearer {SECRET}"},
                secrets=(SECRET, ""),
            ),
        )
    shown = "".join(traceback.format_exception(error)) + caplog.text + getattr(error, "body", "")
    assert "k3y" not in shown
    assert "apikey=***&symbol=IBM" in str(error)


def test_password_in_the_base_url_never_shows(vendor: FakeCoinbase) -> None:
    vendor.url = vendor.url.replace("//", "//user:hunter2@")
    vendor.fail("/products", message(400, "no"))
    assert "hunter2" not in str(refusal(TerminalError, lambda: ask(vendor)))
