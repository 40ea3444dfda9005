"""Reddit from a local vendor over real HTTP: its tokens, its pages, and what would be landed."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version

import pytest

from ingest.provider import (
    AccessError,
    Answer,
    EntitlementError,
    MalformedError,
    QuotaSpentError,
    Request,
    RetryableError,
    UnknownSymbolError,
)
from ingest.providers.reddit import Reddit
from ingest.rest import RestProvider
from tests.fake_vendors.reddit import FakeReddit, post, too_many
from tests.fake_vendors.server import Fault, message
from tests.ingest.asking import Outcome, ask, at, made, shown

NOW = at("2026-03-10T12:34:56")
SECRET, PASSWORD = "s3cr3t-of-the-app", "p4ss word/of+me"
TOKEN_PATH = "/api/v1/access_token"  # noqa: S105


@pytest.fixture
def vendor() -> Iterator[FakeReddit]:
    fake = FakeReddit(client_secret=SECRET, users={"me": PASSWORD})
    fake.posts["stocks"] = [post(number) for number in range(5, 0, -1)]
    with fake.running():
        yield fake


def reddit(vendor: FakeReddit, clock: object = None, **variables: str) -> RestProvider:
    return made(
        Reddit,
        clock if callable(clock) else lambda: NOW,
        **{
            "TAPEHOUSE_REDDIT_URL": vendor.url,
            "TAPEHOUSE_REDDIT_TOKEN_URL": vendor.url,
            "REDDIT_CLIENT_ID": "app",
            "REDDIT_CLIENT_SECRET": SECRET,
            **variables,
        },
    )


def posts(vendor: FakeReddit, subreddit: str = "stocks", **variables: str) -> Outcome:
    return ask(reddit(vendor, **variables), Request("posts", subreddit))


def paths(vendor: FakeReddit) -> list[str]:
    return [question.path for question in vendor.asked]


# -- posts -----------------------------------------------------------------------------------------


def test_posts_are_landed_as_sent(vendor: FakeReddit) -> None:
    vendor.posts["stocks"] = [
        post(2, title="$AAPL & <b>", edited=1772672400.0, score=-3, upvote_ratio=0.5),
        post(1, selftext="[removed]", removed_by_category="moderator"),
    ]
    outcome = posts(vendor)
    assert outcome.answer.is_complete
    assert outcome.answer.request.symbol == "stocks"
    assert outcome.rows("name", "title", "selftext", "created_utc", "edited", "score") == [
        ("t3_p2", "$AAPL & <b>", "Text 2", "1772668802.0", "1772672400.0", "-3"),
        ("t3_p1", "Title 1", "[removed]", "1772668801.0", "false", "1"),
    ]
    assert outcome.rows("upvote_ratio", "removed_by_category", "is_self") == [
        ("0.5", None, "true"),
        ("0.97", "moderator", "true"),
    ]
    extra = json.loads(outcome.rows("_extra")[0][0] or "")
    assert extra == {"selftext_html": None, "created": 1772697602.0}


def test_a_page_is_asked_for_as_large_and_as_plain_as_can_be(vendor: FakeReddit) -> None:
    posts(vendor)
    question = vendor.asked[-1]
    assert question.path == "/r/stocks/new"
    assert question.params == {"limit": "100", "raw_json": "1"}


def test_pages_are_followed_to_the_end(vendor: FakeReddit) -> None:
    vendor.posts["stocks"] = [post(number) for number in range(250, 0, -1)]
    outcome = posts(vendor)
    assert [name for (name,) in outcome.rows("name")] == [f"t3_p{n}" for n in range(250, 0, -1)]
    assert [question.params.get("after") for question in vendor.asked[1:]] == [
        None,
        "t3_p151",
        "t3_p51",
    ]


def test_a_listing_is_a_thousand_posts_deep(vendor: FakeReddit) -> None:
    vendor.posts["stocks"] = [post(number) for number in range(1300, 0, -1)]
    outcome = posts(vendor)
    assert len(outcome.rows("name")) == 1000
    assert len(vendor.asked) == 11
    assert outcome.answer.is_complete


def test_a_listing_that_never_ends_is_left_after_a_thousand(vendor: FakeReddit) -> None:
    page = {
        "kind": "Listing",
        "data": {"after": "t3_p1", "children": [{"kind": "t3", "data": post(1)}] * 100},
    }
    vendor.fail("/new", Fault(body=json.dumps(page)), times=99)
    assert len(posts(vendor).rows("name")) == 1000


def test_an_empty_subreddit_is_a_good_answer(vendor: FakeReddit) -> None:
    vendor.posts["quiet"] = []
    outcome = posts(vendor, "quiet")
    assert outcome.rows("name") == []
    assert outcome.answer.is_complete


def test_other_things_in_a_listing_are_rejected(vendor: FakeReddit) -> None:
    children = [{"kind": "t3", "data": post(1)}, {"kind": "t1", "data": {}}, {"kind": "t3"}, "x"]
    page = {"kind": "Listing", "data": {"after": None, "children": children}}
    vendor.fail("/new", Fault(body=json.dumps(page)))
    answer = posts(vendor).answer
    assert len(answer.records) == 1
    assert [reject.body for reject in answer.rejects] == [
        '{"kind":"t1","data":{}}',
        '{"kind":"t3"}',
        '"x"',
    ]
    assert not answer.is_complete


@pytest.mark.parametrize(
    "body",
    ["[]", "{}", '{"kind":"t5","data":{}}', '{"kind":"Listing","data":{"children":{}}}', "null"],
)
def test_an_answer_of_another_shape_is_malformed(vendor: FakeReddit, body: str) -> None:
    vendor.fail("/new", Fault(body=body))
    assert isinstance(posts(vendor).error, MalformedError)


# -- tokens ----------------------------------------------------------------------------------------


def test_an_app_asks_as_itself_without_a_user(vendor: FakeReddit) -> None:
    posts(vendor)
    assert paths(vendor) == [TOKEN_PATH, "/r/stocks/new"]
    assert vendor.asked[0].method == "POST"
    assert vendor.asked[0].form == {"grant_type": "client_credentials"}
    assert vendor.asked[1].header("Authorization") == "bearer granted-token-1"


def test_an_app_asks_as_its_user_where_there_is_one(vendor: FakeReddit) -> None:
    assert posts(vendor, REDDIT_USERNAME="me", REDDIT_PASSWORD=PASSWORD).answer.is_complete
    assert vendor.asked[0].form == {
        "grant_type": "password",
        "username": "me",
        "password": PASSWORD,
    }


def test_one_token_serves_all_questions_of_a_run(vendor: FakeReddit) -> None:
    vendor.posts |= {f"sub{number}": [post(number)] for number in range(6)}

    async def asking() -> list[Answer]:
        provider = reddit(vendor)
        asks = (provider.fetch(Request("posts", f"sub{number}")) for number in range(6))
        try:
            return await asyncio.gather(*asks)
        finally:
            await provider.close()

    assert all(answer.is_complete for answer in asyncio.run(asking()))
    assert paths(vendor).count(TOKEN_PATH) == 1


def test_a_token_is_renewed_before_it_ends(vendor: FakeReddit) -> None:
    now = NOW
    vendor.posts["stocks"] = [post(number) for number in range(300, 0, -1)]

    def clock() -> datetime:
        return now

    async def asking() -> None:
        nonlocal now
        provider = reddit(vendor, clock)
        await provider.fetch(Request("posts", "stocks"))
        now += timedelta(minutes=58)
        await provider.fetch(Request("posts", "stocks"))
        now += timedelta(minutes=1)
        await provider.fetch(Request("posts", "stocks"))
        await provider.close()

    asyncio.run(asking())
    assert paths(vendor).count(TOKEN_PATH) == 2
    assert paths(vendor).index(TOKEN_PATH, 1) == 7  # after two listings of three pages each


def test_a_refused_token_is_renewed_once(vendor: FakeReddit) -> None:
    vendor.revoked.add("granted-token-1")
    assert len(posts(vendor).rows("name")) == 5
    assert paths(vendor) == [TOKEN_PATH, "/r/stocks/new"] * 2


def test_a_token_that_is_refused_at_once_again_is_no_good(vendor: FakeReddit) -> None:
    vendor.revoked |= {"granted-token-1", "granted-token-2"}
    assert isinstance(posts(vendor).error, AccessError)
    assert paths(vendor) == [TOKEN_PATH, "/r/stocks/new"] * 2


def test_wrong_keys_of_the_app_are_named(vendor: FakeReddit) -> None:
    vendor.client_secret = "changed"  # noqa: S105
    failure = posts(vendor).error
    assert isinstance(failure, AccessError)
    assert "check REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET" in str(failure)


@pytest.mark.parametrize(
    "body",
    [
        '{"error": "invalid_grant"}',
        '{"error": "unauthorized_client", "error_description": "Only script apps may use it"}',
        '{"error": "unsupported_grant_type"}',
    ],
)
def test_refusals_of_a_token_come_with_http_200(vendor: FakeReddit, body: str) -> None:
    vendor.fail("access_token", Fault(body=body))
    failure = posts(vendor).error
    assert isinstance(failure, AccessError)
    assert json.loads(body)["error"] in str(failure)
    assert paths(vendor) == [TOKEN_PATH]


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        "null",
        '{"access_token_of_another_name": "x"}',
        '{"access_token": ""}',
        '{"access_token": ["x"]}',
        '{"access_token": "x\\r\\nCookie: y"}',
        '{"access_token": "\\u00e9"}',
    ],
)
def test_an_answer_without_a_token_is_malformed(vendor: FakeReddit, body: str) -> None:
    vendor.fail("access_token", Fault(body=body))
    assert isinstance(posts(vendor).error, MalformedError)


@pytest.mark.parametrize("expires", ['"soon"', "null", "true", "1e300", "NaN", "-5"])
def test_a_token_without_a_readable_end_is_used(vendor: FakeReddit, expires: str) -> None:
    vendor.tokens.append("odd-token")
    vendor.fail(
        "access_token", Fault(body=f'{{"access_token":"odd-token","expires_in":{expires}}}')
    )
    assert posts(vendor).answer.is_complete


def test_nothing_is_asked_without_keys(vendor: FakeReddit) -> None:
    provider = reddit(vendor, REDDIT_CLIENT_ID="", REDDIT_CLIENT_SECRET="")
    assert provider.missing_secrets == ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")
    assert reddit(vendor).missing_secrets == ()
    failure = ask(provider, Request("posts", "stocks")).error
    assert isinstance(failure, AccessError)
    assert vendor.asked == []


def test_every_question_says_who_asks(vendor: FakeReddit) -> None:
    posts(vendor, REDDIT_USERNAME="me")
    posts(vendor, REDDIT_USER_AGENT="linux:mine:1 (by /u/me)")
    agents = [question.header("User-Agent") for question in vendor.asked]
    own = f"python:tapehouse:{version('tapehouse')} (by /u/me)"
    assert agents == [own, own, *["linux:mine:1 (by /u/me)"] * 2]


# -- refusals --------------------------------------------------------------------------------------


def test_private_and_unknown_subreddits_cost_only_themselves(vendor: FakeReddit) -> None:
    vendor.private.add("secret")
    asks = (Request("posts", name) for name in ("secret", "nope", "stocks"))
    private, unknown, answer = ask(reddit(vendor), *asks).parts
    assert isinstance(private, EntitlementError)
    assert "r/secret is private" in str(private)
    assert isinstance(unknown, UnknownSymbolError)
    assert isinstance(answer, Answer)


def test_a_redirect_to_the_search_is_an_unknown_subreddit(vendor: FakeReddit) -> None:
    there = {"Location": "/subreddits/search?q=nope"}
    vendor.fail("/r/nope/", Fault(302, "", headers=there))
    assert isinstance(posts(vendor, "nope").error, UnknownSymbolError)


@pytest.mark.parametrize("where", ["access_token", "/new"])
def test_a_spent_window_stops_until_it_ends(vendor: FakeReddit, where: str) -> None:
    fault = too_many(x_ratelimit_used="996", x_ratelimit_remaining="0.0", x_ratelimit_reset="417")
    vendor.fail(where, fault)
    failure = posts(vendor).error
    assert isinstance(failure, QuotaSpentError)
    assert failure.until == NOW + timedelta(seconds=417)


def test_a_limit_that_comes_back_within_seconds_is_waited_for(vendor: FakeReddit) -> None:
    vendor.posts["stocks"] = [post(1)]
    fault = too_many(x_ratelimit_used="996", x_ratelimit_remaining="0.0", x_ratelimit_reset="0.3")
    vendor.fail("/r/stocks", fault)
    assert len(posts(vendor).answer.records) == 1
    refused, answered = (each.at for each in vendor.asked if each.path.startswith("/r/"))
    assert 0.3 <= answered - refused < 2


@pytest.mark.parametrize(
    "fault",
    [
        too_many(),
        too_many(retry_after="0"),
        too_many(x_ratelimit_remaining="88.0", x_ratelimit_reset="417"),
        too_many(x_ratelimit_remaining="0.0", x_ratelimit_reset="soon"),
        message(503, "over capacity"),
    ],
)
def test_what_passes_is_asked_again(vendor: FakeReddit, fault: Fault) -> None:
    vendor.fail("/new", fault, times=2)
    assert len(posts(vendor).rows("name")) == 5
    vendor.fail("/new", fault, times=9)
    assert isinstance(posts(vendor).error, RetryableError)


def test_secrets_show_in_no_error(vendor: FakeReddit) -> None:
    echo = f"{SECRET} {PASSWORD} p4ss%20word%2Fof%2Bme granted-token-1"
    for where, fault in (
        ("access_token", Fault(400, echo.replace("granted-token-1", ""))),
        ("access_token", Fault(body=f'{{"error":"invalid_grant","error_description":"{SECRET}"}}')),
        ("/new", Fault(400, echo)),
        ("/new", Fault(body=f"not json: {echo}")),
        ("/new", Fault(body=f"<p>{echo}</p>", content_type="text/html")),
    ):
        vendor.tokens.clear()
        vendor.fail(where, fault)
        text = shown(posts(vendor, REDDIT_USERNAME="me", REDDIT_PASSWORD=PASSWORD).error)
        assert text
        for secret in (SECRET, PASSWORD, "p4ss%20word%2Fof%2Bme", "granted-token-1"):
            assert secret not in text
