"""The HTTP core against a real local server that misbehaves in every documented way."""

import asyncio
import gc
import logging
import socket
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest

from ingest.clock import Clock, utc_now
from ingest.http import Classify, HttpClient, Policy, retry_after_seconds
from ingest.limits import RateLimit
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
from ingest.vendor_state import BreakerState, read_states
from tests.fake_vendors.server import HANG_UP, Asked, FakeVendor, Fault, Reply, message, reply

T = TypeVar("T")
E = TypeVar("E", bound=ProviderError)
Json: TypeAlias = Any

NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
HASTY = Policy(
    limits=(),
    attempts=3,
    backoff_seconds=0.001,
    backoff_max_seconds=0.005,
    attempt_seconds=2,
    deadline_seconds=5,
)
SECRET = "k3y/with+signs &more"  # noqa: S105 - made up
PASSWORD = "hunter2"  # noqa: S105 - made up
PRODUCTS = '[{"id":"BTC-USD","min":1.10}]'
CSV = "id,min\nBTC-USD,1.10\n"
ARCHIVE = b"PK\x03\x04\xff\x00"
THROTTLED = message(429, "slow down")


@dataclass(kw_only=True)
class Shop(FakeVendor):
    """A vendor of products, as JSON, CSV and an archive, and of tokens."""

    def answer(self, asked: Asked) -> Reply:
        match asked.path:
            case "/products":
                return Reply(body=PRODUCTS)
            case "/products.csv":
                return Reply(body=CSV, content_type="application/x-download")
            case "/products.zip":
                return Reply(body=ARCHIVE, content_type="application/zip")
            case "/token" if asked.method == "POST":
                return reply({"access_token": f"for {asked.form['username']}"})
            case _:
                return message(404, "NotFound")


def as_it_is(body: Json) -> Json:
    return body


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def vendor() -> Iterator[Shop]:
    with Shop().running() as running:
        yield running


def ask(
    vendor: Shop,
    *,
    policy: Policy = HASTY,
    params: Mapping[str, str] | None = None,
    read: Callable[[Json], Json] = as_it_is,
    hints: Mapping[int, str] | None = None,
    headers: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    classify: Classify | None = None,
    state_dir: Path | None = None,
    clock: Clock = utc_now,
) -> Json:
    """Ask for the products with a client of its own, as a provider does."""

    async def question(http: HttpClient) -> Json:
        return await http.get("/products", params or {}, read, hints=hints or {})

    client = HttpClient(
        vendor.url,
        provider="shop",
        policy=policy,
        headers=headers,
        params=keys,
        secrets=secrets,
        classify=classify,
        state_dir=state_dir,
        clock=clock,
    )
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


def test_body_is_decoded_with_the_text_of_numbers(vendor: Shop) -> None:
    assert ask(vendor) == [{"id": "BTC-USD", "min": "1.10"}]


def test_read_turns_the_body_into_the_answer(vendor: Shop) -> None:
    assert ask(vendor, read=lambda body: body[0]["id"]) == "BTC-USD"


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/hal+json"]
)
def test_json_content_types_are_accepted(vendor: Shop, content_type: str) -> None:
    vendor.fail("/products", Fault(content_type=content_type))
    assert ask(vendor)[0]["id"] == "BTC-USD"


def test_parameters_and_headers_arrive_as_given(vendor: Shop) -> None:
    ask(vendor, params={"key": SECRET, "plain": "1"}, headers={"Authorization": "Bearer b"})
    (asked,) = vendor.asked
    assert asked.params == {"key": SECRET, "plain": "1"}
    assert asked.headers["Authorization"] == "Bearer b"
    assert asked.headers["User-Agent"].startswith("tapehouse/")


def test_client_works_again_after_close_and_in_another_event_loop(vendor: Shop) -> None:
    http = HttpClient(vendor.url, policy=HASTY)

    async def question(client: HttpClient) -> Json:
        await client.get("/products", {}, as_it_is)
        await client.close()
        await client.close()
        return await client.get("/products", {}, as_it_is)

    assert run(http, question) == run(http, question) == [{"id": "BTC-USD", "min": "1.10"}]


@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning")
def test_client_left_open_works_in_another_event_loop(vendor: Shop) -> None:
    http = HttpClient(vendor.url, policy=HASTY)

    async def question(client: HttpClient) -> Json:
        return await client.get("/products", {}, as_it_is)

    first = asyncio.run(question(http))
    assert run(http, question) == first
    gc.collect()  # the connection left open complains here, not in another test


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
def test_a_passing_failure_is_tried_again(vendor: Shop, fault: Fault) -> None:
    vendor.fail("/products", fault)
    policy = replace(HASTY, attempt_seconds=0.2)
    assert ask(vendor, policy=policy)[0]["id"] == "BTC-USD"
    assert len(vendor.asked) == 2


def test_read_timeout_is_tried_again(vendor: Shop) -> None:
    vendor.fail("/products", Fault(delay_seconds=0.4))
    assert ask(vendor, policy=replace(HASTY, read_seconds=0.1))[0]["id"] == "BTC-USD"


def test_giving_up_names_the_request_what_came_back_and_what_to_do(vendor: Shop) -> None:
    vendor.fail("/products", THROTTLED, times=9)
    error = refusal(RetryableError, lambda: ask(vendor, params={"limit": "5"}))
    assert str(error) == (
        f'GET {vendor.url}/products?limit=5: HTTP 429: {{"message": "slow down"}};'
        " gave up after 3 tries: run the same command again later"
    )
    assert len(vendor.asked) == 3


def test_nobody_listening_is_retryable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = Shop(url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        error = refusal(RetryableError, lambda: ask(nobody))
    assert "ConnectError" in str(error)
    assert "gave up after 3 tries" in str(error)


def test_waits_grow_and_are_bounded(vendor: Shop) -> None:
    vendor.fail("/products", THROTTLED, times=4)
    policy = replace(HASTY, attempts=5, backoff_seconds=0.05, backoff_max_seconds=0.12)
    ask(vendor, policy=policy)
    arrivals = [asked.at for asked in vendor.asked]
    waits = [later - earlier for earlier, later in pairwise(arrivals)]
    assert waits[0] >= 0.05
    assert waits[1] >= 0.1
    assert 0.12 <= waits[3] < 0.4  # doubling alone would have made it 0.4


def test_retry_after_in_seconds_is_honoured(vendor: Shop) -> None:
    vendor.fail("/products", message(429, "slow down", Retry_After="0.3"))
    ask(vendor)
    first, second = vendor.asked
    assert 0.3 <= second.at - first.at < 1


def test_retry_after_as_a_date_is_honoured(vendor: Shop) -> None:
    date = "Tue, 10 Mar 2026 12:34:56 GMT"
    vendor.fail("/products", message(503, "maintenance", Retry_After=date))
    ask(vendor, clock=lambda: NOW - timedelta(seconds=0.3))
    first, second = vendor.asked
    assert 0.3 <= second.at - first.at < 1


def test_retry_after_never_shortens_the_wait(vendor: Shop) -> None:
    vendor.fail("/products", message(429, "slow down", Retry_After="0"))
    ask(vendor, policy=replace(HASTY, backoff_seconds=0.2, backoff_max_seconds=0.2))
    first, second = vendor.asked
    assert second.at - first.at >= 0.2


def test_retry_after_beyond_the_deadline_is_not_waited_for(vendor: Shop) -> None:
    vendor.fail("/products", message(429, "come back tomorrow", Retry_After="86400"))
    started = time.monotonic()
    error = refusal(QuotaSpentError, lambda: ask(vendor, clock=lambda: NOW))
    assert time.monotonic() - started < 1
    assert "it asks to wait 86400 s" in str(error)
    assert error.until == NOW + timedelta(days=1)
    assert len(vendor.asked) == 1


def test_retry_after_holds_for_every_question(vendor: Shop) -> None:
    vendor.fail("/products", message(429, "slow down", Retry_After="0.3"))

    async def both(http: HttpClient) -> None:
        async def later() -> None:
            await asyncio.sleep(0.1)
            await http.get("/products", {"later": "yes"}, as_it_is)

        await asyncio.gather(http.get("/products", {}, as_it_is), later())

    run(HttpClient(vendor.url, policy=HASTY), both)
    first, *others = vendor.asked
    assert len(others) == 2
    assert min(asked.at for asked in others) - first.at >= 0.3


def test_deadline_bounds_all_tries_together(vendor: Shop) -> None:
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


def test_retries_are_logged(vendor: Shop, caplog: pytest.LogCaptureFixture) -> None:
    vendor.fail("/products", THROTTLED)
    with caplog.at_level(logging.INFO):
        ask(vendor)
    (record,) = [record for record in caplog.records if record.name == "ingest.http"]
    assert "HTTP 429" in record.getMessage()
    assert "trying again in" in record.getMessage()


# -- what asking again cannot help -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected", "advice"),
    [
        (301, TerminalError, "correct the base URL"),
        (400, TerminalError, "correct the request"),
        (401, AccessError, "check the key"),
        (402, EntitlementError, "check what the key may read"),
        (403, EntitlementError, "check what the key may read"),
        (404, TerminalError, "correct the request"),
        (430, TerminalError, "correct the request"),
    ],
)
def test_refusals_are_terminal_and_say_what_to_do(
    vendor: Shop, status: int, expected: type[ProviderError], advice: str
) -> None:
    vendor.fail("/products", message(status, "No\n  because"), times=9)
    error = refusal(expected, lambda: ask(vendor))
    assert str(error).startswith(f"GET {vendor.url}/products: HTTP {status}: ")
    assert "because" in str(error)
    assert advice in str(error)
    assert len(vendor.asked) == 1


def test_hint_of_the_vendor_replaces_the_general_advice(vendor: Shop) -> None:
    vendor.fail("/products", message(404, "NotFound"))
    error = refusal(TerminalError, lambda: ask(vendor, hints={404: "spell it properly"}))
    assert str(error).endswith('HTTP 404: {"message": "NotFound"}; spell it properly')


@pytest.mark.parametrize(
    "page",
    [
        Fault(403, "<p>" + "blocked " * 5000, "text/html; charset=utf-8"),
        Fault(403, "\n<!DOCTYPE html><p>" + "blocked " * 5000, None),
    ],
)
def test_a_page_that_refuses_is_about_this_address_and_is_not_repeated(
    vendor: Shop, page: Fault
) -> None:
    """What a key may read a vendor says in its own format; a network before it sends pages."""
    vendor.fail("/products", page)
    error = refusal(AccessError, lambda: ask(vendor))
    assert "something before the vendor may block this address" in str(error)
    assert len(str(error)) < 500
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    "base_url", ["api.example.com", "ftp://example.com", "http://host:port", ""]
)
def test_unusable_base_url_is_terminal(base_url: str) -> None:
    error = refusal(TerminalError, lambda: ask(Shop(url=base_url)))
    assert "correct the base URL in the settings" in str(error)


# -- answers that cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            Fault(body="<html>busy</html>", content_type="text/html"),
            "expected JSON, the answer is text/html",
        ),
        (Fault(body=PRODUCTS, content_type="text/plain"), "the answer is text/plain"),
        (Fault(body=PRODUCTS, content_type=None), "the answer is of no type"),
        (Fault(body="<html>busy</html>"), "JSONDecodeError"),
        (Fault(body='[{"id":"BTC-'), "JSONDecodeError"),
        (Fault(body=""), "JSONDecodeError"),
        (Fault(body="[" * 100_000), "nested too deeply"),
        (Fault(body='[{"id":"A","id":"B"}]'), "key 'id' twice in one object"),
        (Fault(204, ""), "JSONDecodeError"),
    ],
    ids=[
        "html",
        "plain",
        "no type",
        "html as json",
        "truncated",
        "empty",
        "deep",
        "doubled key",
        "no content",
    ],
)
def test_unreadable_body_is_malformed_and_kept(vendor: Shop, fault: Fault, says: str) -> None:
    vendor.fail("/products", fault, times=9)
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == fault.body
    assert str(error).startswith(f"GET {vendor.url}/products: ")
    assert says in str(error)
    assert len(vendor.asked) == 1


def test_body_that_is_not_utf8_is_malformed_and_kept_readable(vendor: Shop) -> None:
    vendor.fail("/products", Fault(body=b'["caf\xe9"]'))
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == '["caf�"]'


def test_answer_cut_off_every_time_is_malformed_with_what_arrived(vendor: Shop) -> None:
    vendor.fail("/products", Fault(cut_after=7), times=9)
    error = refusal(MalformedError, lambda: ask(vendor))
    assert error.body == PRODUCTS[:7]
    assert str(error).endswith("; gave up after 3 tries, the last of which was cut off")
    assert len(vendor.asked) == 3


@pytest.mark.parametrize(
    "read",
    [lambda body: body["candles"], lambda body: body[7], lambda body: int(body[0]["id"])],
    ids=["no such key", "no such position", "not a number"],
)
def test_body_of_another_shape_is_malformed(vendor: Shop, read: Callable[[Json], Json]) -> None:
    error = refusal(MalformedError, lambda: ask(vendor, read=read))
    assert error.body == PRODUCTS


def test_error_the_vendor_reports_in_a_good_answer_is_tried_again(vendor: Shop) -> None:
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
        (Fault(401, f'{{"message": "bad key {SECRET}"}}'), AccessError),
        (Fault(500, f"key {SECRET} broke it"), RetryableError),
        (Fault(body=f"<p>{SECRET} k3y%2Fwith%2Bsigns%20%26more</p>"), MalformedError),
        (Fault(body=f"<p>{SECRET}</p>", content_type="text/html"), MalformedError),
        (Fault(body=f'["{SECRET}", "and so on"]', cut_after=26), MalformedError),
        (HANG_UP, RetryableError),
    ],
    ids=["refused", "server error", "malformed", "wrong type", "cut off", "hang-up"],
)
def test_secrets_never_show(
    vendor: Shop,
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


def test_password_in_the_base_url_never_shows(vendor: Shop) -> None:
    vendor.url = vendor.url.replace("//", "//user:hunter2@")
    vendor.fail("/products", message(400, "no"))
    assert "hunter2" not in str(refusal(TerminalError, lambda: ask(vendor)))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, f"key {SECRET} broke it"),
        Fault(body=f"<p>{SECRET}</p>", content_type="text/html"),
        Fault(body=f'{{"key": "{SECRET}", "key": 1}}'),
        Fault(401, f"Basic dXNlcjpodW50ZXIy of {SECRET}"),
        HANG_UP,
    ],
    ids=["server error", "wrong type", "doubled key", "refused", "hang-up"],
)
def test_keys_of_query_header_and_form_never_show(
    vendor: Shop, caplog: pytest.LogCaptureFixture, tmp_path: Path, fault: Fault
) -> None:
    vendor.fail("/token", fault, times=9)

    async def question(http: HttpClient) -> Json:
        form = {"username": "user", "password": SECRET}
        return await http.post_form("/token", form, as_it_is, auth=("user", PASSWORD))

    http = HttpClient(
        vendor.url,
        provider="shop",
        policy=HASTY,
        headers={"X-Key": SECRET},
        params={"apikey": SECRET},
        secrets=(SECRET, PASSWORD),
        state_dir=tmp_path,
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderError) as caught:
        run(http, question)
    files = [file.read_bytes().decode(errors="replace") for file in tmp_path.iterdir()]
    names = [file.name for file in tmp_path.iterdir()]
    shown = "".join([*traceback.format_exception(caught.value), caplog.text, *files, *names])
    assert "k3y" not in shown + getattr(caught.value, "body", "")
    assert PASSWORD not in shown
    assert "dXNlcjpodW50ZXIy" not in shown
    assert "apikey" not in str(caught.value)
    assert len(files) > 0
    assert vendor.asked[0].params == {"apikey": SECRET}
    assert vendor.asked[0].header("x-key") == SECRET
    assert vendor.asked[0].form == {"username": "user", "password": SECRET}


def test_a_token_asked_for_never_shows_either(vendor: Shop) -> None:
    vendor.fail("/products", message(403, "token t0k3n is over"))

    async def question(http: HttpClient) -> Json:
        http.keep_secret("t0k3n")
        return await http.get("/products", {}, as_it_is, headers={"Authorization": "bearer t0k3n"})

    http = HttpClient(vendor.url, policy=HASTY)
    error = refusal(EntitlementError, lambda: run(http, question))
    assert "token *** is over" in str(error)
    assert vendor.asked[0].header("authorization") == "bearer t0k3n"


# -- text, files and forms -------------------------------------------------------------------------


def ask_text(vendor: Shop) -> str:
    async def question(http: HttpClient) -> str:
        return await http.get_text("/products.csv", {}, str)

    return run(HttpClient(vendor.url, policy=HASTY), question)


def ask_bytes(vendor: Shop) -> bytes:
    async def question(http: HttpClient) -> bytes:
        return await http.get_bytes("/products.zip", {}, bytes)

    return run(HttpClient(vendor.url, policy=HASTY), question)


def test_text_and_files_come_as_sent(vendor: Shop) -> None:
    assert ask_text(vendor) == CSV
    assert ask_bytes(vendor) == ARCHIVE


def test_byte_order_mark_is_no_part_of_the_text(vendor: Shop) -> None:
    vendor.fail(".csv", Fault(body=b"\xef\xbb\xbfid,min\n", content_type="text/csv"))
    assert ask_text(vendor) == "id,min\n"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=' {"Information": "no"}', content_type="application/x-download"),
        Fault(body='{"Information": "no"}'),
        Fault(body="<!DOCTYPE html><p>busy</p>", content_type="text/csv"),
        Fault(body="busy", content_type="text/html; charset=utf-8"),
        Fault(body=b"caf\xe9", content_type="text/csv"),
    ],
    ids=["object as csv", "json", "page as csv", "html", "not utf-8"],
)
def test_what_is_no_text_is_malformed_and_kept(vendor: Shop, fault: Fault) -> None:
    vendor.fail(".csv", fault, times=9)
    error = refusal(MalformedError, lambda: ask_text(vendor))
    assert error.body == (fault.body if isinstance(fault.body, str) else "caf\ufffd")
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "application/xml"])
def test_what_is_no_file_is_malformed_and_kept(vendor: Shop, content_type: str) -> None:
    vendor.fail(".zip", Fault(body="busy", content_type=content_type), times=9)
    assert refusal(MalformedError, lambda: ask_bytes(vendor)).body == "busy"


def test_a_form_is_posted_with_its_password(vendor: Shop) -> None:
    async def question(http: HttpClient) -> str:
        form = {"username": "me & you"}
        return await http.post_form(
            "/token",
            form,
            lambda body: str(body["access_token"]),
            auth=("app", "hunter2"),
            base_url=vendor.url + "/",
        )

    elsewhere = HttpClient("http://127.0.0.1:1", policy=HASTY)
    assert run(elsewhere, question) == "for me & you"
    (asked,) = vendor.asked
    assert asked.method == "POST"
    assert asked.header("authorization") == "Basic YXBwOmh1bnRlcjI="


def test_keys_of_the_client_go_with_every_question_and_never_into_its_name(vendor: Shop) -> None:
    vendor.fail("/products", message(400, "no"))
    error = refusal(
        TerminalError, lambda: ask(vendor, params={"symbol": "IBM"}, keys={"apikey": "k"})
    )
    assert str(error).startswith(f"GET {vendor.url}/products?symbol=IBM: HTTP 400")
    assert vendor.asked[0].params == {"symbol": "IBM", "apikey": "k"}


# -- what vendors say in their own way -------------------------------------------------------------


def test_vendor_reads_every_answer_before_the_general_rules(vendor: Shop) -> None:
    vendor.fail("/products", Fault(402, "Premium: symbol ABC", "text/plain"))

    def classify(status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        assert headers["content-type"] in ("text/plain", "application/json")
        return (
            UnknownSymbolError("no such thing") if (status, text[:7]) == (402, "Premium") else None
        )

    error = refusal(UnknownSymbolError, lambda: ask(vendor, classify=classify))
    assert str(error) == f"GET {vendor.url}/products: HTTP 402: Premium: symbol ABC; no such thing"
    assert ask(vendor, classify=classify)[0]["id"] == "BTC-USD"


@pytest.mark.parametrize(
    "error",
    [
        AccessError("bad key"),
        EntitlementError("not in the plan"),
        TerminalError("bad request"),
        QuotaSpentError("come back tomorrow", NOW + timedelta(days=1)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_in_a_good_answer_is_what_the_vendor_says_it_is(
    vendor: Shop, error: ProviderError
) -> None:
    caught = refusal(type(error), lambda: ask(vendor, classify=lambda *_: error))
    assert str(caught).startswith(f"GET {vendor.url}/products: HTTP 200: ")
    assert getattr(caught, "until", None) == getattr(error, "until", None)
    assert len(vendor.asked) == 1


def test_throttling_in_a_good_answer_waits_as_long_as_the_vendor_wants(vendor: Shop) -> None:
    vendor.fail("/products", Fault(body='{"Note": "1 a second"}'))

    def classify(_: int, text: str, __: Mapping[str, str]) -> ProviderError | None:
        return RetryableError("throttled", retry_after=0.3) if "Note" in text else None

    assert ask(vendor, classify=classify)[0]["id"] == "BTC-USD"
    first, second = vendor.asked
    assert second.at - first.at >= 0.3


def test_what_is_left_of_the_quota_is_kept(vendor: Shop, tmp_path: Path) -> None:
    headers = {"X-Ratelimit-Remaining": "41.0"}
    vendor.fail("/products", Fault(body="[]", headers=headers))

    def remaining(headers: Mapping[str, str]) -> int | None:
        text = headers.get("x-ratelimit-remaining")
        return int(float(text)) if text else None

    def client() -> HttpClient:
        return HttpClient(
            vendor.url,
            provider="shop",
            policy=HASTY,
            remaining=remaining,
            state_dir=tmp_path,
            clock=lambda: NOW,
        )

    async def question(http: HttpClient) -> int | None:
        await http.get("/products", {}, as_it_is)
        await http.get("/products", {}, as_it_is)
        return http.remaining

    assert run(client(), question) == 41
    (state,) = read_states(tmp_path, lambda: NOW)
    assert (state.provider, state.quota_remaining, state.requests_today) == ("shop", 41, 2)


# -- how many at once, and when not at all ---------------------------------------------------------


def test_no_more_questions_are_under_way_than_allowed(vendor: Shop) -> None:
    vendor.latency_seconds = 0.1
    policy = replace(HASTY, concurrency=3)

    async def many(http: HttpClient) -> None:
        await asyncio.gather(*(http.get("/products", {}, as_it_is) for _ in range(7)))

    run(HttpClient(vendor.url, policy=policy), many)
    arrivals = sorted(asked.at for asked in vendor.asked)
    # The fourth waits for one of the first three to be answered, the seventh for two rounds.
    assert arrivals[3] - arrivals[0] >= 0.1
    assert arrivals[6] - arrivals[0] >= 0.2
    assert arrivals[6] - arrivals[0] < 0.6


def test_the_wait_for_the_limit_does_not_count_against_the_deadline(vendor: Shop) -> None:
    policy = replace(
        HASTY, limits=(RateLimit(1, per_seconds=0.4),), deadline_seconds=0.5, attempt_seconds=0.3
    )

    async def many(http: HttpClient) -> None:
        await asyncio.gather(*(http.get("/products", {}, as_it_is) for _ in range(3)))

    run(HttpClient(vendor.url, policy=policy), many)
    assert len(vendor.asked) == 3


def test_retried_tries_count_against_the_limit(vendor: Shop) -> None:
    vendor.fail("/products", message(500, "oops"), times=2)
    ask(vendor, policy=replace(HASTY, limits=(RateLimit(1, per_seconds=0.1),)))
    arrivals = [asked.at for asked in vendor.asked]
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(arrivals))


def test_what_is_left_of_a_day_is_known_without_the_vendor_saying_so(
    vendor: Shop, tmp_path: Path
) -> None:
    """The tightest of the long limits counts, whichever process asked; minutes come back soon."""
    limits = (RateLimit(9, 60), RateLimit(25, 86400), RateLimit(50, 7 * 86400))
    policy = replace(HASTY, limits=limits)

    def client() -> HttpClient:
        return HttpClient(vendor.url, provider="shop", policy=policy, state_dir=tmp_path)

    assert client().remaining == 25
    assert list(tmp_path.iterdir()) == [], "asking what is left writes nothing"
    for left in (24, 23):
        ask(vendor, policy=policy, state_dir=tmp_path)
        assert client().remaining == left
    assert HttpClient(vendor.url, policy=replace(policy, limits=limits[:1])).remaining is None
    assert HttpClient(vendor.url, policy=policy).remaining == 25


def test_a_used_up_day_stops_the_next_process_too(vendor: Shop, tmp_path: Path) -> None:
    policy = replace(HASTY, limits=(RateLimit(2, per_seconds=86400),))
    for _ in range(2):
        ask(vendor, policy=policy, state_dir=tmp_path)
    error = refusal(QuotaSpentError, lambda: ask(vendor, policy=policy, state_dir=tmp_path))
    assert "the limit of 2 requests in 86400 s is used up" in str(error)
    assert timedelta(hours=23) < error.until - utc_now() < timedelta(hours=25)
    refusal(UnavailableError, lambda: ask(vendor, policy=policy, state_dir=tmp_path))
    assert len(vendor.asked) == 2


def test_a_dead_vendor_is_soon_left_alone(vendor: Shop, tmp_path: Path) -> None:
    vendor.is_dead = True
    policy = replace(HASTY, failures_to_open=2, cooldown_seconds=60)
    moment = NOW
    for _ in range(2):
        refusal(
            RetryableError,
            lambda: ask(vendor, policy=policy, state_dir=tmp_path, clock=lambda: moment),
        )
    asked = len(vendor.asked)
    error = refusal(
        UnavailableError,
        lambda: ask(vendor, policy=policy, state_dir=tmp_path, clock=lambda: moment),
    )
    assert error.until == NOW + timedelta(seconds=60)
    assert len(vendor.asked) == asked
    vendor.recover()
    moment = NOW + timedelta(seconds=60)
    assert ask(vendor, policy=policy, state_dir=tmp_path, clock=lambda: moment)
    assert [state.state for state in read_states(tmp_path)] == [BreakerState.CLOSED]


def test_a_vendor_that_only_sends_pages_is_soon_left_alone(vendor: Shop) -> None:
    vendor.fail("/products", Fault(200, "<html>maintenance</html>", "text/html"), times=99)
    policy = replace(HASTY, failures_to_open=5)

    async def often(http: HttpClient) -> list[type[BaseException]]:
        failures = []
        for _ in range(20):
            try:
                await http.get("/products", {}, as_it_is)
            except ProviderError as error:
                failures.append(type(error))
        return failures

    failures = run(HttpClient(vendor.url, policy=policy), often)
    assert failures == [MalformedError] * 5 + [UnavailableError] * 15
    assert len(vendor.asked) == 5


def test_questions_under_way_stop_trying_when_the_breaker_opens(vendor: Shop) -> None:
    vendor.fail("key=bad", message(401, "no such key"))
    vendor.fail("/products", THROTTLED, times=99)
    policy = replace(HASTY, attempts=99, backoff_seconds=0.05, backoff_max_seconds=0.05)

    async def both(http: HttpClient) -> list[BaseException | Json]:
        return await asyncio.gather(
            http.get("/products", {}, as_it_is),
            http.get("/products", {"key": "bad"}, as_it_is),
            return_exceptions=True,
        )

    throttled, refused = run(HttpClient(vendor.url, policy=policy), both)
    assert type(refused) is AccessError
    assert type(throttled) is UnavailableError
    assert len(vendor.asked) < 10


def test_cancelled_questions_end_promptly(vendor: Shop) -> None:
    vendor.latency_seconds = 1
    policy = replace(HASTY, limits=(RateLimit(1, per_seconds=4),))

    async def interrupted(http: HttpClient) -> float:
        asking = asyncio.gather(*(http.get("/products", {}, as_it_is) for _ in range(20)))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await http.close()
        return time.monotonic() - started

    assert run(HttpClient(vendor.url, policy=policy), interrupted) < 0.5
    assert len(vendor.asked) == 1
