"""Whatever JSON a vendor sends: it is landed, or explained, and nothing else happens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.provider import Answer, MalformedError, ProviderError, Request, TerminalError
from ingest.providers.binance import Binance
from ingest.providers.kraken import Kraken
from ingest.providers.reddit import Reddit
from ingest.providers.sec_edgar import SecEdgar
from tests.fake_vendors.reddit import post
from tests.fake_vendors.sec_edgar import company_facts, fact
from tests.fake_vendors.server import Asked, FakeVendor, Fault, Reply, reply
from tests.ingest.asking import Outcome, ask, at, made

NOW = at("2026-03-10T12:34:56")
START = at("2026-03-10T10:00:00")
CLOSED = Reply(404, "{}")

KLINE = [1773136800000, "1", "1", "1", "1", "1", 1773140399999, "1", 1, "1", "1", "0"]
COMPANIES = {"fields": ["cik", "name", "ticker", "exchange"], "data": [[1, "A", "AA", None]]}
FACTS = json.loads(
    company_facts(
        "1", "A", {("us-gaap", "Assets", "USD"): [fact("2024-01-01", "1", "a", "2024-02-01")]}
    )
)
LISTING = {
    "kind": "Listing",
    "data": {"after": None, "children": [{"kind": "t3", "data": post(1)}]},
}
TOKEN = {"access_token": "x", "expires_in": 3600}
HOUR = Request("bars", "BTCUSDT", "1h", START, NOW)

CASES: dict[str, tuple[Any, Request, str, Any]] = {
    "klines": (Binance, HOUR, "/klines", [KLINE, KLINE]),
    "symbols": (
        Binance,
        Request("products"),
        "/exchangeInfo",
        {"symbols": [{"symbol": "AB", "status": "TRADING"}]},
    ),
    "ohlc": (
        Kraken,
        HOUR,
        "/OHLC",
        {"error": [], "result": {"X": [[1773136800, "1", "1", "1", "1", "1", "1", 1]], "last": 1}},
    ),
    "pairs": (
        Kraken,
        Request("asset_pairs"),
        "/AssetPairs",
        {"error": [], "result": {"X": {"altname": "X", "wsname": "X/Y"}}},
    ),
    "companies": (SecEdgar, Request("companies"), "/company_tickers", COMPANIES),
    "tickers": (SecEdgar, Request("company_facts", "AA"), "/company_tickers", COMPANIES),
    "facts": (SecEdgar, Request("company_facts", "AA"), "/companyfacts", FACTS),
    "listing": (Reddit, Request("posts", "stocks"), "/new", LISTING),
    "token": (Reddit, Request("posts", "stocks"), "/access_token", TOKEN),
}
"""By name: the vendor, a question, the path whose answer is spoilt, and a good one."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.just("9" * 400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


class Spoilt(FakeVendor):
    """A vendor of which one answer is not what it should be."""

    def answer(self, asked: Asked) -> Reply:
        """Return what the other questions need to get so far."""
        good = [(path, body) for _, _, path, body in CASES.values()]
        return next((reply(body) for path, body in good if path in asked.path), CLOSED)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Spoilt]:
    with Spoilt().running() as running:
        yield running


def asked(vendor: Spoilt, case: str, body: str) -> Outcome:
    kind, request, path, _ = CASES[case]
    names = ("BINANCE", "KRAKEN", "SEC_EDGAR", "SEC_EDGAR_DATA", "REDDIT", "REDDIT_TOKEN")
    secrets = ("SEC_EDGAR_EMAIL", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")
    provider = made(
        kind,
        lambda: NOW,
        **{f"TAPEHOUSE_{name}_URL": vendor.url for name in names},
        **dict.fromkeys(secrets, "someone@example.org"),
    )
    vendor.recover()
    vendor.fail(path, Fault(body=body), times=3)
    return ask(provider, request)


@pytest.mark.parametrize("case", CASES)
def test_the_good_answers_are_good(vendor: Spoilt, case: str) -> None:
    answer = asked(vendor, case, json.dumps(CASES[case][3])).answer
    assert answer.is_complete
    assert answer.records


@pytest.mark.parametrize("case", CASES)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_spoilt_answer_is_landed_or_explained(
    vendor: Spoilt, case: str, data: st.DataObject
) -> None:
    body = data.draw(mutations(CASES[case][3]))
    outcome = asked(vendor, case, json.dumps(body))
    for part in outcome.parts:
        assert isinstance(part, Answer | ProviderError)
        if isinstance(part, ProviderError):
            assert str(part)
            assert isinstance(part, MalformedError | TerminalError)
    rejected = sum(len(answer.rejects) for answer in outcome.answers)
    assert all(answer.is_complete for answer in outcome.answers) or rejected or case == "klines"
    table_columns = outcome.provider.datasets[CASES[case][1].dataset].fields
    assert len(outcome.rows(*(field.column for field in table_columns))) == sum(
        len(answer.records) for answer in outcome.answers
    )


@st.composite
def mutations(draw: st.DrawFn, good: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a good body with any one part of it replaced by any JSON."""
    places = list(_places(good))
    place = draw(st.sampled_from(places))
    return _replaced(good, place, draw(JSON))


def _places(value: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    yield ()
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        for place in _places(inner):
            yield (key, *place)


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:  # noqa: ANN401
    if not place:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[place[0]] = _replaced(value[place[0]], place[1:], new)
    return changed
