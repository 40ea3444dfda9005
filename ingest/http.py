"""Ask a vendor over HTTP, politely and patiently, and read JSON answers with numbers verbatim.

One client per provider: rate limit, time-outs, retries and error messages are here, so that a
vendor's file says only path, parameters and how to read the decoded body. Nothing vendor-specific
belongs here, and nothing that knows about the lake.
"""

import asyncio
import logging
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from ingest.clock import Clock, as_utc, utc_now
from ingest.limits import Permit, RateLimit, RateLimiter
from ingest.provider import (
    AccessError,
    EntitlementError,
    MalformedError,
    ProviderError,
    QuotaSpentError,
    RetryableError,
    TerminalError,
)
from ingest.records import decode_json
from ingest.redaction import redact, spellings
from ingest.vendor_state import Breaker

__all__ = ["How", "HttpClient", "Policy", "RateLimit", "retry_after_seconds"]

T = TypeVar("T")

Classify = Callable[[int, str, Mapping[str, str]], ProviderError | None]
"""A vendor's own reading of an answer: its status, text and headers; nothing where all is well."""

Remaining = Callable[[Mapping[str, str]], int | None]
"""How many requests the headers of an answer say are left."""


class How(TypedDict, total=False):
    """How a question differs from the client's others.

    `hints` says, by status code, what to do about a refusal. `classify` replaces the client's, and
    `base_url` its address.
    """

    hints: Mapping[int, str]
    classify: Classify
    headers: Mapping[str, str]
    base_url: str


TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
LONGEST_WAIT = timedelta(days=366)
UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, RecursionError),
)
"""What reading a body of another shape raises."""

PAGE = re.compile(rb"\s*<(?:!doctype )?html", re.IGNORECASE)
EXCERPT_CHARACTERS = 200
BEGINNING_CHARACTERS = 20
CLASSIFIED_BYTES = 4096
"""How much of an archive a vendor's own reading sees: enough for an error in its place."""
JSON, TEXT, ANYTHING = "application/json", "text/csv, text/plain, */*", "*/*"

_logger = logging.getLogger(__name__)
# They log whole addresses and headers, with the keys in them.
for _name in ("httpx", "httpcore", "hpack"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Policy:
    """How fast and how patiently a vendor is asked.

    `limits` hold together, for every try; `concurrency` bounds the questions under way.
    `attempt_seconds` bounds one try as a whole, also an answer that trickles in; `deadline_seconds`
    bounds a question with all its tries and waits between them, but not its wait for the limits.
    Waits start at `backoff_seconds`, double up to `backoff_max_seconds`, and are never shorter than
    the vendor's `Retry-After`.
    After `failures_to_open` failed questions in a row nothing is asked for `cooldown_seconds`,
    twice as long after each trial that fails.
    """

    limits: tuple[RateLimit, ...] = (RateLimit(5, per_seconds=1),)
    concurrency: int = 8
    attempts: int = 5
    backoff_seconds: float = 0.5
    backoff_max_seconds: float = 30
    connect_seconds: float = 10
    read_seconds: float = 20
    write_seconds: float = 10
    pool_seconds: float = 30
    attempt_seconds: float = 30
    deadline_seconds: float = 180
    failures_to_open: int = 5
    cooldown_seconds: float = 60

    @property
    def longest_window_seconds(self) -> float:
        """Return how long what a vendor says of its limits holds."""
        return max((limit.per_seconds for limit in self.limits), default=60)


@dataclass(frozen=True)
class _Connections:
    """What is bound to one event loop."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    places: asyncio.Semaphore


@dataclass(frozen=True)
class _Answer:
    """A whole answer; `what` names the question in errors."""

    what: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """Return the content type without its parameters."""
        content_type: str = self.headers.get("Content-Type", "")
        return content_type.partition(";")[0].strip().lower()

    @property
    def is_page(self) -> bool:
        """Return whether it is for people to read: a vendor answers programs in other formats."""
        return self.media_type.endswith("html") or PAGE.match(self.body) is not None


@dataclass(frozen=True)
class _Question(Generic[T]):
    """One request and how to read its answer: `decode` makes of a body what `read` is given."""

    method: str
    url: str
    decode: Callable[[_Answer], Any]
    read: Callable[[Any], T]
    how: How
    accepts: str
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    is_text: bool = True

    @property
    def headers(self) -> Mapping[str, str]:
        """Return its own headers."""
        return {"Accept": self.accepts, **self.how.get("headers", {})}


class _AskAgainError(RetryableError):
    """One try that failed; `cut_off` is the part of an answer that did arrive."""

    def __init__(self, message: str, retry_after: float = 0, cut_off: str | None = None) -> None:
        super().__init__(message, retry_after)
        self.cut_off = cut_off


class HttpClient:
    """Questions to one vendor. `secrets` never show in errors, whatever part of a request has them.

    Connections belong to the running event loop: they are opened by the first question and, after
    `close` or in another loop, opened anew.
    """

    def __init__(
        self,
        base_url: str,
        *,
        provider: str = "vendor",
        account: str | None = None,
        policy: Policy | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        classify: Classify | None = None,
        remaining: Remaining | None = None,
        state_dir: Path | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Make a client of `provider`.

        `params` are sent with every request and never shown. Clients with the same `account` and
        key share their limits. `state_dir` is where limits, the breaker and counts are kept for the
        next process; without it they end with this one.
        """
        self._base_url = base_url.rstrip("/")
        self._policy = policy or Policy()
        self._headers = {"User-Agent": f"tapehouse/{version('tapehouse')}", **(headers or {})}
        self._params = dict(params or {})
        self._secrets = spellings(secrets)
        self._classify = classify
        self._remaining = remaining
        self._clock = clock
        self._connections: _Connections | None = None
        key = sha256("\n".join(secrets).encode()).hexdigest()[:8] if any(secrets) else "no-key"
        self._limiter = RateLimiter(
            self._policy.limits,
            file=state_dir / f"{account or provider}-{key}.sqlite" if state_dir else None,
            patience_seconds=self._policy.deadline_seconds,
            clock=clock,
        )
        self._breaker = Breaker(
            provider,
            state_dir,
            key=key,
            failures_to_open=self._policy.failures_to_open,
            cooldown_seconds=self._policy.cooldown_seconds,
            trial_seconds=self._policy.deadline_seconds,
            clock=clock,
        )

    @property
    def remaining(self) -> int | None:
        """Return how many requests are left: as the vendor last said, or else as was counted."""
        said = self._breaker.state.remaining(self._clock(), self._policy.longest_window_seconds)
        return self._limiter.remaining if said is None else said

    def keep_secret(self, value: str) -> None:
        """Never show `value` either, such as a token that was asked for."""
        self._secrets = spellings((*self._secrets, value))

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[Any], T],
        **how: Unpack[How],
    ) -> T:
        """GET `path` and return what `read` makes of the decoded JSON body.

        `read` may raise `ValueError`, `TypeError` or `LookupError` for a body of another shape, and
        any `ProviderError` for an error the vendor reports in a good answer.

        Raises:
            RetryableError: every try failed, or the deadline would have passed.
            QuotaSpentError: the vendor, or the limits, allow no request for longer than that.
            UnavailableError: not asked, as the vendor keeps failing.
            TerminalError: the vendor refuses the request; its subclasses say why.
            MalformedError: the body is not the JSON that was asked for.
        """
        question = _Question("GET", self._url(path, how), self._json, read, how, JSON, params)
        return await self._ask(question)

    async def get_text(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[str], T],
        **how: Unpack[How],
    ) -> T:
        """GET `path` and return what `read` makes of its text, such as CSV.

        Raises:
            ProviderError: as `get` does; a page or a JSON object in place of the text is malformed.
        """
        question = _Question("GET", self._url(path, how), self._plain_text, read, how, TEXT, params)
        return await self._ask(question)

    async def get_bytes(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[bytes], T],
        **how: Unpack[How],
    ) -> T:
        """GET `path` and return what `read` makes of its bytes, such as an archive.

        Raises:
            ProviderError: as `get` does; a page or JSON in place of the file is malformed.
        """
        question = _Question(
            "GET", self._url(path, how), self._file, read, how, ANYTHING, params, is_text=False
        )
        return await self._ask(question)

    async def post_form(
        self,
        path: str,
        form: Mapping[str, str],
        read: Callable[[Any], T],
        *,
        auth: tuple[str, str] | None = None,
        **how: Unpack[How],
    ) -> T:
        """POST a form, such as for a token, and return what `read` makes of the JSON answer.

        The form never shows in errors; `auth` is a user and a password.

        Raises:
            ProviderError: as `get` does.
        """
        if auth is not None:
            self.keep_secret(b64encode(":".join(auth).encode()).decode())
        question = _Question(
            "POST", self._url(path, how), self._json, read, how, JSON, form=form, auth=auth
        )
        return await self._ask(question)

    async def close(self) -> None:
        """Release the connections; the next question opens new ones."""
        self._breaker.flush()
        self._limiter.close()
        connections, self._connections = self._connections, None
        if connections is not None and connections.loop is asyncio.get_running_loop():
            await connections.client.aclose()

    async def _ask(self, question: _Question[T]) -> T:
        what = self._name(question)
        async with self._open().places, self._breaker.question():
            return await self._try_until_deadline(what, question)

    async def _try_until_deadline(self, what: str, question: _Question[T]) -> T:
        patience = _Patience(self._policy.deadline_seconds)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryableError),
            wait=self._wait,
            stop=stop_after_attempt(self._policy.attempts) | patience,
            before_sleep=_log_retry,
            reraise=True,
        )
        tries = 0

        async def attempt() -> T:
            nonlocal tries
            if tries:
                self._breaker.check()
            tries += 1
            try:
                permit = await patience.extended_by(self._limiter.acquire())
            except QuotaSpentError as error:
                raise QuotaSpentError(f"{what}: {error}", error.until) from None
            with permit:
                self._breaker.asked()
                answer = await self._attempt(what, question, permit)
            return self._read(question, answer)

        try:
            async with asyncio.timeout(None) as patience.timeout:
                patience.start()
                return await retrying(attempt)
        except TimeoutError:
            raise RetryableError(
                f"{what}: no answer within {self._policy.deadline_seconds:g} s;"
                " run the same command again later"
            ) from None
        except RetryableError as error:
            if isinstance(error, _AskAgainError) and error.cut_off is not None:
                gave_up = f"gave up after {_count(tries, 'try', 'tries')}"
                raise MalformedError(
                    f"{error}; {gave_up}, the last of which was cut off", error.cut_off
                ) from error
            if error.retry_after > self._policy.deadline_seconds:
                until = self._clock() + timedelta(seconds=error.retry_after)
                raise QuotaSpentError(f"{error}; nothing is asked before that", until) from error
            raise RetryableError(
                f"{error}; gave up after {_count(tries, 'try', 'tries')}:"
                " run the same command again later"
            ) from error

    async def _attempt(self, what: str, question: _Question[Any], permit: Permit) -> _Answer:
        """Send one request and return its whole answer.

        Raises:
            TerminalError: the address cannot be used.
            RetryableError: there is no answer, or not all of it.
        """
        body = bytearray()
        client = self._open().client

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            if event.endswith(".send_request_headers.started"):
                permit.sent()
            elif event.endswith(".receive_response_headers.complete"):
                permit.answered()

        try:
            async with (
                asyncio.timeout(self._policy.attempt_seconds),
                client.stream(
                    question.method,
                    question.url,
                    params={**question.params, **self._params},
                    data=question.form,
                    auth=question.auth,
                    headers=question.headers,
                    extensions={"trace": trace},
                ) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise TerminalError(
                f"{what}: {self._redacted(str(error))}; correct the base URL in the settings"
            ) from None
        except (httpx.TimeoutException, TimeoutError) as error:
            raise _AskAgainError(f"{what}: no answer in time ({type(error).__name__})") from None
        except httpx.RequestError as error:
            reason = self._redacted(f"{type(error).__name__}: {error}")
            cut_off = self._text(body) if body else None
            raise _AskAgainError(f"{what}: connection failed ({reason})", cut_off=cut_off) from None
        return _Answer(what, response.status_code, response.headers, bytes(body))

    def _read(self, question: _Question[T], answer: _Answer) -> T:
        """Return what the question makes of its answer.

        Raises:
            ProviderError: the answer says that something is wrong, or cannot be read.
        """
        if self._remaining and (remaining := self._remaining(answer.headers)) is not None:
            self._breaker.remaining(remaining)
        self._refuse(question, answer)
        try:
            return question.read(question.decode(answer))
        except MalformedError as error:
            raise MalformedError(
                self._redacted(f"{answer.what}: {error}"), self._redacted(error.body)
            ) from None
        except ProviderError as error:
            raise self._said(error, answer) from None
        except UNREADABLE as error:
            # Not `from error`: what it was raised with may repeat a secret.
            reason = self._redacted(f"{type(error).__name__}: {error}")
            raise MalformedError(
                f"{answer.what}: the body could not be read ({reason})", self._text(answer.body)
            ) from None

    def _refuse(self, question: _Question[Any], answer: _Answer) -> None:
        """Raise unless the answer is a good one."""
        status = answer.status
        classify = question.how.get("classify") or self._classify
        is_good = HTTPStatus(200) <= status < HTTPStatus.MULTIPLE_CHOICES
        if classify is not None:
            whole = question.is_text or not is_good
            text = (answer.body if whole else answer.body[:CLASSIFIED_BYTES]).decode(
                "utf-8", errors="replace"
            )
            if (error := classify(status, text, answer.headers)) is not None:
                raise self._said(error, answer)
        if is_good:
            return
        said = self._excerpt(answer)
        if status in TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = self._retry_after(answer)
            asked = f" (it asks to wait {wait:g} s)" if wait else ""
            raise _AskAgainError(f"{answer.what}: {said}{asked}", retry_after=wait)
        advice = f"{answer.what}: {said}; {_advice(status, question.how.get('hints', {}))}"
        if status == HTTPStatus.FORBIDDEN and answer.is_page:
            raise AccessError(
                f"{answer.what}: {said}; something before the vendor may block this address: look"
                " at what the page says"
            )
        if status == HTTPStatus.UNAUTHORIZED:
            raise AccessError(advice)
        if status in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
            raise EntitlementError(advice)
        raise TerminalError(advice)

    def _said(self, error: ProviderError, answer: _Answer) -> ProviderError:
        """Return a vendor's own reading of an answer with what was asked and answered."""
        meaning = self._redacted(str(error))
        said = "" if meaning.startswith("HTTP ") else f"{self._excerpt(answer)}; "
        text = f"{answer.what}: {said}{meaning}"
        if isinstance(error, RetryableError):
            return _AskAgainError(text, self._retry_after(answer, error.retry_after))
        error.args = (text,)
        return error

    def _retry_after(self, answer: _Answer, told: float = 0) -> float:
        """Return how long the vendor asks to wait, and let no other request go before."""
        header = retry_after_seconds(answer.headers.get("Retry-After"), self._clock())
        seconds = max(header, told)
        if seconds <= self._policy.deadline_seconds:
            self._limiter.pause(seconds)
        return seconds

    def _excerpt(self, answer: _Answer) -> str:
        said = " ".join(self._text(answer.body).split())[:EXCERPT_CHARACTERS]
        return f"HTTP {answer.status}: {said}"

    def _json(self, answer: _Answer) -> Any:  # noqa: ANN401 - JSON is whatever the vendor sent
        kind = answer.media_type
        if kind != "application/json" and not kind.endswith("+json"):
            raise self._another_kind(answer, "JSON")
        return decode_json(answer.body)

    def _plain_text(self, answer: _Answer) -> str:
        text = answer.body.decode("utf-8-sig")
        start = text.lstrip()[:1]
        if answer.media_type.endswith(("json", "html", "xml")) or start in ("{", "<"):
            raise self._another_kind(answer, "text")
        return text

    def _file(self, answer: _Answer) -> bytes:
        if answer.media_type.startswith("text/") or answer.media_type.endswith(("json", "xml")):
            raise self._another_kind(answer, "a file")
        return answer.body

    def _another_kind(self, answer: _Answer, expected: str) -> MalformedError:
        text = self._text(answer.body)
        return MalformedError(
            f"expected {expected}, the answer is {answer.media_type or 'of no type'} and begins"
            f" {text[:BEGINNING_CHARACTERS]!r}; look whether something between here and the vendor"
            " answers in its place",
            text,
        )

    def _open(self) -> _Connections:
        loop = asyncio.get_running_loop()
        if self._connections is None or self._connections.loop is not loop:
            policy = self._policy
            self._connections = _Connections(
                loop,
                httpx.AsyncClient(
                    headers=self._headers,
                    http2=True,
                    limits=httpx.Limits(
                        max_connections=policy.concurrency,
                        max_keepalive_connections=policy.concurrency,
                    ),
                    timeout=httpx.Timeout(
                        connect=policy.connect_seconds,
                        read=policy.read_seconds,
                        write=policy.write_seconds,
                        pool=policy.pool_seconds,
                    ),
                    verify=_tls(),
                ),
                asyncio.Semaphore(policy.concurrency),
            )
        return self._connections

    def _wait(self, state: RetryCallState) -> float:
        policy = self._policy
        backoff = wait_exponential_jitter(
            multiplier=policy.backoff_seconds,
            max=policy.backoff_max_seconds,
            jitter=policy.backoff_seconds,
        )(state)
        error = state.outcome.exception() if state.outcome else None
        return max(backoff, error.retry_after) if isinstance(error, RetryableError) else backoff

    def _url(self, path: str, how: How) -> str:
        return how.get("base_url", self._base_url).rstrip("/") + path

    def _name(self, question: _Question[Any]) -> str:
        base = re.sub(r"//[^/@]*@", "//", question.url)
        query = "&".join(f"{key}={value}" for key, value in question.params.items())
        return self._redacted(f"{question.method} {base}{'?' if query else ''}{query}")

    def _text(self, body: bytes | bytearray) -> str:
        return self._redacted(body.decode("utf-8", errors="replace"))

    def _redacted(self, text: str) -> str:
        return redact(text, self._secrets)


class _Patience(stop_base):
    """How long one question may take, not counting its wait for the limits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = 0.0
        self.timeout: asyncio.Timeout | None = None

    def start(self) -> None:
        """Count from now."""
        self._until(time.monotonic() + self._seconds)

    async def extended_by(self, waiting: Awaitable[T]) -> T:
        """Await something whose time does not count."""
        started = time.monotonic()
        if self.timeout is not None:
            self.timeout.reschedule(None)
        result = await waiting
        self._until(self._ends_at + time.monotonic() - started)
        return result

    def __call__(self, state: RetryCallState) -> bool:
        """Return whether the next wait would take longer than is left."""
        return time.monotonic() + state.upcoming_sleep >= self._ends_at

    def _until(self, moment: float) -> None:
        self._ends_at = moment
        if self.timeout is not None:
            loop = asyncio.get_running_loop()
            self.timeout.reschedule(loop.time() + moment - time.monotonic())


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """Return how long a `Retry-After` header asks to wait: 0 when it is absent or unreadable.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3. Decimals are not in the standard
    but are sent.
    """
    header = (header or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", header, re.ASCII):
        return min(float(header), LONGEST_WAIT.total_seconds())
    try:
        return max(0.0, (as_utc(parsedate_to_datetime(header)) - now).total_seconds())
    except ValueError:
        return 0.0


@cache
def _tls() -> ssl.SSLContext:
    """Return the certificates to trust, read once: that takes longer than many a request."""
    return httpx.create_ssl_context()


def _advice(status: int, hints: Mapping[int, str]) -> str:
    if status in hints:
        return hints[status]
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "the address has moved: correct the base URL in the settings"
    if status == HTTPStatus.UNAUTHORIZED:
        return "check the key"
    if status in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
        return "check what the key may read, and whether this address is blocked"
    return "asking again cannot help: correct the request"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _logger.info("%s; trying again in %.1f s", error, state.upcoming_sleep)
