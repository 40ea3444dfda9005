"""Ask a vendor over HTTP, politely and patiently, and read JSON answers with numbers verbatim.

One client per provider: rate limit, time-outs, retries and error messages are here, so that a
vendor's file says only path, parameters and how to read the decoded body. Nothing vendor-specific
belongs here, and nothing that knows about the lake.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import httpx
from aiolimiter import AsyncLimiter
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from ingest.clock import Clock, as_utc, utc_now
from ingest.provider import MalformedError, RetryableError, TerminalError
from ingest.records import decode_json
from ingest.redaction import redact

T = TypeVar("T")

TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
EXCERPT_CHARACTERS = 200
NO_HINTS: Mapping[int, str] = {}

_logger = logging.getLogger(__name__)
# httpx logs whole URLs at INFO, with any key that a vendor wants in the query.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Policy:
    """How fast and how patiently a vendor is asked.

    `attempt_seconds` bounds one try as a whole, also an answer that trickles in; `deadline_seconds`
    bounds a question with all its tries and waits. Waits start at `backoff_seconds`, double up to
    `backoff_max_seconds`, and are never shorter than the vendor's `Retry-After`.
    """

    requests_per_second: float = 5
    burst: int = 5
    attempts: int = 5
    backoff_seconds: float = 0.5
    backoff_max_seconds: float = 30
    connect_seconds: float = 10
    read_seconds: float = 20
    write_seconds: float = 10
    pool_seconds: float = 30
    attempt_seconds: float = 30
    deadline_seconds: float = 180


@dataclass(frozen=True)
class _Connections:
    """What is bound to one event loop."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    limiter: AsyncLimiter


class _AskAgainError(RetryableError):
    """One try that failed; `cut_off` is the part of an answer that did arrive."""

    def __init__(self, message: str, retry_after: float = 0, cut_off: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
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
        policy: Policy | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        clock: Clock = utc_now,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._policy = policy or Policy()
        self._headers = {
            "User-Agent": f"tapehouse/{version('tapehouse')}",
            "Accept": "application/json",
            **(headers or {}),
        }
        self._secrets = {
            form
            for secret in secrets
            if secret
            for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        self._clock = clock
        self._connections: _Connections | None = None

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[Any], T],
        hints: Mapping[int, str] = NO_HINTS,
    ) -> T:
        """GET `path` and return what `read` makes of the decoded JSON body.

        `read` may raise `ValueError`, `TypeError` or `LookupError` for a body of another shape, and
        `RetryableError` or `TerminalError` for an error the vendor reports in a good answer.
        `hints` says, by status code, what to do about a refusal.

        Raises:
            RetryableError: every try failed, or the deadline would have passed.
            TerminalError: the vendor refuses the request.
            MalformedError: the body is not the JSON that was asked for.
        """
        what = self._name(path, params)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryableError),
            wait=self._wait,
            stop=stop_after_attempt(self._policy.attempts)
            | stop_before_delay(self._policy.deadline_seconds),
            before_sleep=_log_retry,
            reraise=True,
        )
        tries = 0

        async def attempt() -> T:
            nonlocal tries
            tries += 1
            return await self._attempt(what, path, params, read, hints)

        try:
            async with asyncio.timeout(self._policy.deadline_seconds):
                return await retrying(attempt)
        except TimeoutError:
            raise RetryableError(
                f"{what}: no answer within {self._policy.deadline_seconds:g} s;"
                " run the same command again later"
            ) from None
        except RetryableError as error:
            if isinstance(error, _AskAgainError) and error.cut_off is not None:
                raise MalformedError(f"{error}, in each of {tries} tries", error.cut_off) from error
            raise RetryableError(
                f"{error}; gave up after {_count(tries, 'try', 'tries')}:"
                " run the same command again later"
            ) from error

    async def close(self) -> None:
        """Release the connections; the next question opens new ones."""
        connections, self._connections = self._connections, None
        if connections is not None and connections.loop is asyncio.get_running_loop():
            await connections.client.aclose()

    async def _attempt(
        self,
        what: str,
        path: str,
        params: Mapping[str, str],
        read: Callable[[Any], T],
        hints: Mapping[int, str],
    ) -> T:
        body = bytearray()
        try:
            connections = self._open()
            await connections.limiter.acquire()
            async with (
                asyncio.timeout(self._policy.attempt_seconds),
                connections.client.stream("GET", path, params=params) as response,
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
        self._refuse(what, response, body, hints)
        try:
            return read(decode_json(bytes(body)))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            reason = self._redacted(f"{type(error).__name__}: {error}")
            raise MalformedError(
                f"{what}: the body could not be read ({reason})", self._text(body)
            ) from error

    def _refuse(
        self, what: str, response: httpx.Response, body: bytearray, hints: Mapping[int, str]
    ) -> None:
        """Raise unless the answer is a good one of JSON type."""
        status = response.status_code
        said = " ".join(self._text(body).split())[:EXCERPT_CHARACTERS]
        if status in TRANSIENT or response.is_server_error:
            wait = retry_after_seconds(response.headers.get("Retry-After"), self._clock())
            asked = f" (it asks to wait {wait:g} s)" if wait else ""
            raise _AskAgainError(f"{what}: HTTP {status}: {said}{asked}", retry_after=wait)
        if not response.is_success:
            raise TerminalError(f"{what}: HTTP {status}: {said}; {_advice(status, hints)}")
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise MalformedError(
                f"{what}: expected JSON, the answer is {media_type or 'of no type'};"
                " look whether something between here and the vendor answers in its place",
                self._text(body),
            )

    def _open(self) -> _Connections:
        loop = asyncio.get_running_loop()
        if self._connections is None or self._connections.loop is not loop:
            policy = self._policy
            timeout = httpx.Timeout(
                connect=policy.connect_seconds,
                read=policy.read_seconds,
                write=policy.write_seconds,
                pool=policy.pool_seconds,
            )
            client = httpx.AsyncClient(
                base_url=self._base_url, headers=self._headers, timeout=timeout, verify=_tls()
            )
            limiter = AsyncLimiter(policy.burst, policy.burst / policy.requests_per_second)
            self._connections = _Connections(loop, client, limiter)
        return self._connections

    def _wait(self, state: RetryCallState) -> float:
        policy = self._policy
        backoff = wait_exponential_jitter(
            multiplier=policy.backoff_seconds,
            max=policy.backoff_max_seconds,
            jitter=policy.backoff_seconds,
        )(state)
        error = state.outcome.exception() if state.outcome else None
        return max(backoff, error.retry_after) if isinstance(error, _AskAgainError) else backoff

    def _name(self, path: str, params: Mapping[str, str]) -> str:
        base = re.sub(r"//[^/@]*@", "//", self._base_url)
        query = "&".join(f"{key}={value}" for key, value in params.items())
        return self._redacted(f"GET {base}{path}{'?' if query else ''}{query}")

    def _text(self, body: bytes | bytearray) -> str:
        return self._redacted(body.decode("utf-8", errors="replace"))

    def _redacted(self, text: str) -> str:
        return redact(text, self._secrets)


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """Return how long a `Retry-After` header asks to wait: 0 when it is absent or unreadable.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3. Decimals are not in the standard
    but are sent.
    """
    header = (header or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", header, re.ASCII):
        return float(header)
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
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "check the key, what it may read, and whether this address is blocked"
    return "asking again cannot help: correct the request"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _logger.info("%s; trying again in %.1f s", error, state.upcoming_sleep)
