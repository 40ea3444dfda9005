"""Reddit: the posts of a subreddit as they are now, for an approved OAuth app.

Sources:
    https://www.reddit.com/dev/api
    https://github.com/reddit-archive/reddit/wiki/OAuth2
    https://github.com/reddit-archive/reddit/wiki/API

A listing goes 1000 posts deep and no further back; scores, comments and texts change and posts are
removed: each answer is a dated snapshot, landed as sent. New apps need Reddit's approval, so the
vendor is off unless its keys are set and a pull asks for it. With a user name and its password the
app asks as that user, else as itself.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, ClassVar
from urllib.parse import quote

from ingest.answers import Found, an_object, array
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    EntitlementError,
    ProviderError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, symbol_of

CLIENT_ID, CLIENT_SECRET = "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET"
USERNAME, PASSWORD = "REDDIT_USERNAME", "REDDIT_PASSWORD"
USER_AGENT = "REDDIT_USER_AGENT"

PAGE = 100
MOST_POSTS = 1000
POST = "t3"
"""What Reddit calls a link or text post among its kinds of things."""

USUAL_SECONDS = 3600
LARGEST_NUMBER = 1e9
EARLIER = timedelta(minutes=1)
"""How long before its end a token is no longer used."""


class _TokenRefusedError(TerminalError):
    """The token, or the app's own keys, were not accepted."""


@dataclass(frozen=True)
class _Token:
    text: str
    until: datetime


class Reddit(RestProvider):
    """Posts by subreddit; the symbol of a request is a subreddit's name."""

    name: ClassVar[str] = "reddit"
    base_url: ClassVar[str] = "https://oauth.reddit.com"
    hosts: ClassVar[Mapping[str, str]] = {"token": "https://www.reddit.com"}
    secret_names: ClassVar[tuple[str, ...]] = (CLIENT_ID, CLIENT_SECRET, PASSWORD)
    # 100 a minute, as an average over ten minutes, is what an app may ask.
    policy: ClassVar[Policy] = Policy(limits=(RateLimit(90, per_seconds=60),))
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "posts": Dataset(
            "posts",
            fields(
                "id",
                "name",
                "subreddit",
                "subreddit_id",
                "title",
                "selftext",
                "author",
                "created_utc",
                "edited",
                "score",
                "ups",
                "upvote_ratio",
                "num_comments",
                "permalink",
                "url",
                "domain",
                "is_self",
                "over_18",
                "stickied",
                "locked",
                "link_flair_text",
                "removed_by_category",
                "distinguished",
            ),
            kind="extract",
            refresh_after=timedelta(minutes=10),
        ),
    }

    def forget(self) -> None:
        """Forget the token."""
        self._token: _Token | None = None
        self._lock = asyncio.Lock()

    @property
    def missing_secrets(self) -> tuple[str, ...]:
        """Return the variables that must be set before the vendor can be asked."""
        return tuple(name for name in super().missing_secrets if name != PASSWORD)

    def headers(self) -> Mapping[str, str]:
        """Return who is asking: Reddit slows down agents that do not say so."""
        user = self.environment.secret(USERNAME)
        by = f" (by /u/{user})" if user else ""
        own = f"python:tapehouse:{version('tapehouse')}{by}"
        return {"User-Agent": self.environment.secret(USER_AGENT) or own}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Read refusals. Rate headers come with some answers; the body of a 429 is HTML."""
        if status == HTTPStatus.UNAUTHORIZED:
            return _TokenRefusedError("the token or the keys are not accepted")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            rates = {name.lower(): value for name, value in headers.items()}
            wait = _number(rates.get("x-ratelimit-reset"))
            if wait is not None and (_number(rates.get("x-ratelimit-remaining")) or 0) < 1:
                return RetryableError(f"nothing more is answered for {wait:g} s", wait)
        del text
        return None

    async def ask_posts(self, request: Request) -> Answer:
        """Page through the newest posts of a subreddit."""
        subreddit, found = symbol_of(request), Found()
        after: str | None = None
        for _ in range(MOST_POSTS // PAGE):
            params = {"limit": f"{PAGE}", "raw_json": "1"} | ({"after": after} if after else {})
            children, after = await self._page(subreddit, params)
            posts = found.fitting(children, _is_post, f"a {POST}")
            found.records += (post["data"] for post in posts)
            if after is None:
                break
        return found.answer(request, self.clock())

    async def _page(
        self, subreddit: str, params: Mapping[str, str]
    ) -> tuple[list[Any], str | None]:
        """Ask for one page, once more with a new token if the one at hand is refused."""

        def classify(status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
            if status == HTTPStatus.FORBIDDEN and '"private"' in text:
                return EntitlementError(f"r/{subreddit} is private: this app may not read it")
            if status in (HTTPStatus.NOT_FOUND, HTTPStatus.FOUND):  # or a search
                return UnknownSymbolError(
                    f"Reddit has no r/{subreddit}, or has banned it: correct the name"
                )
            return self.classify(status, text, headers)

        for _ in range(2):
            token = await self._valid_token()
            try:
                return await self.http.get(
                    f"/r/{quote(subreddit, safe='')}/new",
                    params,
                    _listing,
                    classify=classify,
                    headers={"Authorization": f"bearer {token.text}"},
                )
            except _TokenRefusedError:
                if self._token is token:
                    self._token = None
        raise AccessError("HTTP 401: Reddit refuses a token that it has just given out")

    async def _valid_token(self) -> _Token:
        """Return the token at hand, or a new one, asked for once however many are waiting."""
        async with self._lock:
            if self._token is None or self._token.until <= self.clock():
                self._token = await self._new_token()
            return self._token

    async def _new_token(self) -> _Token:
        user, password = self.environment.secret(USERNAME), self.secrets[PASSWORD]
        form = {"grant_type": "client_credentials"}
        if user and password:
            form = {"grant_type": "password", "username": user, "password": password}
        try:
            text, seconds = await self.http.post_form(
                "/api/v1/access_token",
                form,
                _token,
                auth=(self.secrets[CLIENT_ID], self.secrets[CLIENT_SECRET]),
                base_url=self.host("token"),
            )
        except _TokenRefusedError:
            raise AccessError(
                f"HTTP 401: Reddit does not know this app: check {CLIENT_ID} and {CLIENT_SECRET}"
            ) from None
        self.http.keep_secret(text)
        return _Token(text, self.clock() + timedelta(seconds=seconds) - EARLIER)


def _token(body: Any) -> tuple[str, float]:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Return a token and how many seconds it is good for; refusals come with HTTP 200.

    Raises:
        AccessError: the vendor gives none.
    """
    body = an_object(body)
    if error := body.get("error"):
        about = body.get("error_description") or body.get("message") or ""
        raise AccessError(
            f"Reddit gives no token: {error} {about}".rstrip()
            + f"; check {CLIENT_ID}, {CLIENT_SECRET}, {USERNAME} and {PASSWORD}, and that the app"
            " is approved"
        )
    token = body["access_token"]
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise ValueError("expected a token that fits in a header")
    return token, _number(body.get("expires_in")) or USUAL_SECONDS


def _is_post(child: Any) -> bool:  # noqa: ANN401
    is_post = isinstance(child, dict) and child.get("kind") == POST
    return is_post and isinstance(child.get("data"), dict)


def _listing(body: Any) -> tuple[list[Any], str | None]:  # noqa: ANN401
    """Return the things on a page and what to ask for the next one, if there is one."""
    if body["kind"] != "Listing":
        raise ValueError(f"expected a Listing, not {body['kind']}")
    children = array(body["data"]["children"])
    return children, body["data"]["after"] if children else None


def _number(text: str | None) -> float | None:
    """Return a number of seconds or requests, if it can be one: `0.0` is sent for `0`."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < LARGEST_NUMBER else None
