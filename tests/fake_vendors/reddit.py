"""A local Reddit that answers over real HTTP as its documentation and users describe.

The host of tokens and that of listings are one here. Posts are made up. Nothing here knows the code
under test.

Sources:
    https://www.reddit.com/dev/api
    https://github.com/reddit-archive/reddit/wiki/OAuth2
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply, reply

DEEPEST = 1000
DEFAULT_PAGE, LARGEST_PAGE = 25, 100
TOO_MANY_PAGE = "<!doctype html><html><head><title>Too Many Requests</title></head></html>"

INVALID_TOKEN = Reply(
    401,
    json.dumps({"message": "Unauthorized", "error": 401}),
    headers={"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'},
)
NOT_FOUND = Reply(404, json.dumps({"message": "Not Found", "error": 404}))
PRIVATE = Reply(403, json.dumps({"reason": "private", "message": "Forbidden", "error": 403}))


def too_many(**headers: str) -> Fault:
    """Return the HTML page of a throttled client."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(429, TOO_MANY_PAGE, content_type="text/html; charset=UTF-8", headers=named)


LIMITS = (Limit(1000, 600),)
"""Per app: 100 a minute, averaged over ten."""


@dataclass(kw_only=True)
class FakeReddit(FakeVendor):
    """The vendor's state: its app and user, tokens given out, and posts, newest first."""

    limits: tuple[Limit, ...] = LIMITS
    client_id: str = "app"
    client_secret: str = "shh"  # noqa: S105 - made up
    users: dict[str, str] = field(default_factory=dict)
    expires_in: int = 3600
    posts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the vendor's page; its headers name the end of the window."""
        del asked, requests
        return too_many(x_ratelimit_remaining="0.0", x_ratelimit_reset=f"{seconds:.0f}")

    def answer(self, asked: Asked) -> Reply:
        """Return a token, a page of posts, or why not."""
        match asked.parts:
            case ["api", "v1", "access_token"] if asked.method == "POST":
                return self._token(asked)
            case ["r", subreddit, "new"]:
                scheme, _, token = asked.header("Authorization").partition(" ")
                if scheme != "bearer" or token not in self.tokens or token in self.revoked:
                    return INVALID_TOKEN
                return self._page(asked, subreddit)
            case _:
                return NOT_FOUND

    def _token(self, asked: Asked) -> Reply:
        keys = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if asked.header("Authorization") != f"Basic {keys}":
            return INVALID_TOKEN
        match asked.form:
            case {"grant_type": "client_credentials"}:
                pass
            case {"grant_type": "password", "username": user, "password": password}:
                if self.users.get(user) != password:
                    return reply({"error": "invalid_grant"})
            case _:
                return reply({"error": "unsupported_grant_type"})
        self.tokens.append(f"granted-token-{len(self.tokens) + 1}")
        return reply(
            {
                "access_token": self.tokens[-1],
                "token_type": "bearer",
                "expires_in": self.expires_in,
                "scope": "*",
            }
        )

    def _page(self, asked: Asked, subreddit: str) -> Reply:
        if subreddit in self.private:
            return PRIVATE
        if subreddit not in self.posts:
            return NOT_FOUND
        posts = self.posts[subreddit][:DEEPEST]
        names = [post["name"] for post in posts]
        after = asked.params.get("after")
        first = names.index(after) + 1 if after in names else 0
        size = min(int(asked.params.get("limit", DEFAULT_PAGE)), LARGEST_PAGE)
        chosen = posts[first : first + size]
        is_last = first + size >= len(posts)
        return reply(
            {
                "kind": "Listing",
                "data": {
                    "modhash": None,
                    "after": None if is_last else chosen[-1]["name"],
                    "before": None,
                    "children": [{"kind": "t3", "data": post} for post in chosen],
                },
            }
        )


def post(number: int, subreddit: str = "stocks", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a post as listings have it."""
    return {
        "id": f"p{number}",
        "name": f"t3_p{number}",
        "subreddit": subreddit,
        "subreddit_id": "t5_2qjfk",
        "title": f"Title {number}",
        "selftext": f"Text {number}",
        "selftext_html": None,
        "author": "an_author",
        "created": 1772668800.0 + number + 28800,
        "created_utc": 1772668800.0 + number,
        "edited": False,
        "score": number,
        "ups": number,
        "upvote_ratio": 0.97,
        "num_comments": number % 7,
        "permalink": f"/r/{subreddit}/comments/p{number}/title_{number}/",
        "url": f"https://www.reddit.com/r/{subreddit}/comments/p{number}/title_{number}/",
        "domain": f"self.{subreddit}",
        "is_self": True,
        "over_18": False,
        "stickied": False,
        "locked": False,
        "link_flair_text": None,
        "removed_by_category": None,
        "distinguished": None,
        **changed,
    }
