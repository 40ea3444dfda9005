"""SEC EDGAR from a local vendor over real HTTP: what would be landed, and what its pages mean."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version

import pytest

from ingest.provider import (
    AccessError,
    Answer,
    MalformedError,
    QuotaSpentError,
    Request,
    RetryableError,
    TerminalError,
    UnknownSymbolError,
)
from ingest.providers.sec_edgar import SecEdgar
from ingest.rest import RestProvider
from tests.fake_vendors.sec_edgar import TOO_FAST, UNDECLARED, FakeSecEdgar, company_facts, fact
from tests.fake_vendors.server import UNLIMITED, Fault
from tests.ingest.asking import Outcome, ask, at, made, shown

NOW = at("2026-03-10T12:34:56")
EMAIL = "someone@example.org"
APPLE, BERKSHIRE = 320193, 1067983
NET_INCOME = ("us-gaap", "NetIncomeLoss", "USD")


@pytest.fixture
def vendor() -> Iterator[FakeSecEdgar]:
    companies = [
        (APPLE, "Apple Inc.", "AAPL", "Nasdaq"),
        (BERKSHIRE, "BERKSHIRE HATHAWAY INC", "BRK-B", "NYSE"),
        (BERKSHIRE, "BERKSHIRE HATHAWAY INC", "BRK-A", "NYSE"),
        (1, "Nowhere Listed Fund", "NLFX", None),
    ]
    with FakeSecEdgar(companies=companies, limits=UNLIMITED).running() as fake:
        yield fake


def edgar(vendor: FakeSecEdgar, email: str = EMAIL) -> RestProvider:
    urls = {"TAPEHOUSE_SEC_EDGAR_URL": vendor.url, "TAPEHOUSE_SEC_EDGAR_DATA_URL": vendor.url}
    return made(SecEdgar, lambda: NOW, SEC_EDGAR_EMAIL=email, **urls)


def facts_of(vendor: FakeSecEdgar, *tickers: str) -> Outcome:
    return ask(edgar(vendor), *(Request("company_facts", ticker) for ticker in tickers))


def test_companies_are_one_record_per_row_of_the_table(vendor: FakeSecEdgar) -> None:
    outcome = ask(edgar(vendor), Request("companies"))
    assert outcome.rows("cik", "name", "ticker", "exchange", "_extra") == [
        ("320193", "Apple Inc.", "AAPL", "Nasdaq", None),
        ("1067983", "BERKSHIRE HATHAWAY INC", "BRK-B", "NYSE", None),
        ("1067983", "BERKSHIRE HATHAWAY INC", "BRK-A", "NYSE", None),
        ("1", "Nowhere Listed Fund", "NLFX", None, None),
    ]
    assert outcome.answer.is_complete


def test_columns_of_the_table_may_come_in_another_order_and_be_more(vendor: FakeSecEdgar) -> None:
    table = {
        "fields": ["ticker", "sic", "exchange", "name", "cik"],
        "data": [["A", 7, None, "N", 1]],
    }
    vendor.fail("tickers", Fault(body=json.dumps(table)))
    outcome = ask(edgar(vendor), Request("companies"))
    assert outcome.rows("cik", "ticker", "_extra") == [("1", "A", '{"sic":7}')]


def test_a_row_of_another_length_is_rejected_and_the_list_is_no_whole_one(
    vendor: FakeSecEdgar,
) -> None:
    vendor.companies.append((5, "Cut off"))
    answer = ask(edgar(vendor), Request("companies")).answer
    assert [reject.body for reject in answer.rejects] == ['[5,"Cut off"]']
    assert not answer.is_complete


@pytest.mark.parametrize(
    "body",
    [
        '{"fields":["cik","name","ticker","exchange"],"data":[]}',
        '{"fields":["cik","name"],"data":[[1,"A"]]}',
        '{"0":{"cik_str":1,"ticker":"A","title":"A"}}',
        "[]",
    ],
)
def test_a_list_of_another_shape_is_malformed(vendor: FakeSecEdgar, body: str) -> None:
    vendor.fail("tickers", Fault(body=body))
    assert isinstance(ask(edgar(vendor), Request("companies")).error, MalformedError)


def test_facts_are_one_record_each_with_what_is_said_above_them(vendor: FakeSecEdgar) -> None:
    vendor.facts[APPLE] = company_facts(
        f"{APPLE}",
        "Apple Inc.",
        {
            NET_INCOME: [
                fact(
                    "2024-09-28",
                    "93736000000",
                    "0000320193-24-000123",
                    "2024-11-01",
                    start="2023-10-01",
                    frame="CY2024",
                )
            ],
            ("us-gaap", "EarningsPerShareBasic", "USD/shares"): [
                fact("2024-09-28", "6.10", "0000320193-24-000123", "2024-11-01", start="2023-10-01")
            ],
            ("dei", "EntityCommonStockSharesOutstanding", "shares"): [
                fact("2024-10-18", "15115823000", "0000320193-24-000123", "2024-11-01")
            ],
        },
    )
    outcome = facts_of(vendor, "AAPL")
    assert outcome.answer.request.symbol == "AAPL"
    assert outcome.rows("taxonomy", "concept", "unit", "period_start", "period_end", "val") == [
        ("us-gaap", "NetIncomeLoss", "USD", "2023-10-01", "2024-09-28", "93736000000"),
        ("us-gaap", "EarningsPerShareBasic", "USD/shares", "2023-10-01", "2024-09-28", "6.10"),
        (
            *("dei", "EntityCommonStockSharesOutstanding", "shares"),
            *(None, "2024-10-18", "15115823000"),
        ),
    ]
    rest = outcome.rows("cik", "entity_name", "label", "description", "fy", "fp", "form", "frame")
    assert rest[0] == (
        *("320193", "Apple Inc.", "NetIncomeLoss label", None),
        *("2024", "FY", "10-K", "CY2024"),
    )
    assert rest[1][-1] is None
    assert outcome.rows("_extra") == [(None,)] * 3


@pytest.mark.parametrize("cik", ["320193", '"0000320193"'])
def test_the_number_of_a_company_may_be_a_number_or_padded_text(
    vendor: FakeSecEdgar, cik: str
) -> None:
    row = fact("2024-09-28", "1", "a", "2024-11-01")
    vendor.facts[APPLE] = company_facts(cik, "Apple Inc.", {NET_INCOME: [row]})
    outcome = facts_of(vendor, "AAPL")
    assert outcome.rows("cik", "val") == [(cik.strip('"'), "1")]
    assert vendor.asked[-1].path == "/api/xbrl/companyfacts/CIK0000320193.json"


def test_the_facts_of_another_company_are_not_taken_for_the_asked_ones(
    vendor: FakeSecEdgar,
) -> None:
    vendor.facts[APPLE] = company_facts("42", "Another", {})
    assert isinstance(facts_of(vendor, "AAPL").error, MalformedError)


def test_the_list_of_tickers_is_asked_for_once_for_all_symbols(vendor: FakeSecEdgar) -> None:
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {})
    vendor.facts[BERKSHIRE] = company_facts("1067983", "Berkshire", {})

    async def asking() -> list[Answer]:
        provider = edgar(vendor)
        tickers = ("AAPL", "BRK-B", "BRK-A", "aapl")
        asks = (provider.fetch(Request("company_facts", ticker)) for ticker in tickers)
        try:
            return await asyncio.gather(*asks)
        finally:
            await provider.close()

    assert len(asyncio.run(asking())) == 4
    paths = [question.path for question in vendor.asked]
    assert sorted(paths) == [
        *["/api/xbrl/companyfacts/CIK0000320193.json"] * 2,
        *["/api/xbrl/companyfacts/CIK0001067983.json"] * 2,
        "/files/company_tickers_exchange.json",
    ]


def test_every_question_says_who_asks(vendor: FakeSecEdgar) -> None:
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {})
    facts_of(vendor, "AAPL")
    agents = {question.header("User-Agent") for question in vendor.asked}
    assert agents == {f"tapehouse/{version('tapehouse')} {EMAIL}"}


def test_without_an_email_nothing_is_asked(vendor: FakeSecEdgar) -> None:
    provider = edgar(vendor, email="")
    assert provider.missing_secrets == ("SEC_EDGAR_EMAIL",)
    failure = ask(provider, Request("companies")).error
    assert isinstance(failure, AccessError)
    assert "SEC_EDGAR_EMAIL" in str(failure)
    assert vendor.asked == []


def test_of_two_companies_with_one_ticker_the_first_is_meant(vendor: FakeSecEdgar) -> None:
    """The list is ordered by size."""
    vendor.companies.append([1, "Twice Inc.", "AAPL", None])
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {})
    assert isinstance(facts_of(vendor, "AAPL").answer, Answer)


def test_an_unknown_ticker_and_a_company_without_xbrl_cost_only_themselves(
    vendor: FakeSecEdgar,
) -> None:
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {})
    outcome = facts_of(vendor, "NOPE", "NLFX", "AAPL")
    unknown, without, answer = outcome.parts
    assert isinstance(unknown, UnknownSymbolError)
    assert "no company with the ticker 'NOPE'" in str(unknown)
    assert isinstance(without, UnknownSymbolError)
    assert "no XBRL facts of NLFX (CIK 0000000001)" in str(without)
    assert isinstance(answer, Answer)


def test_a_list_of_companies_that_is_gone_is_not_an_unknown_symbol(vendor: FakeSecEdgar) -> None:
    gone = Fault(404, "<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml")
    vendor.fail("company_tickers", gone, gone)
    for failure in (ask(edgar(vendor), Request("companies")), facts_of(vendor, "AAPL")):
        assert isinstance(failure.error, TerminalError)
        assert not isinstance(failure.error, UnknownSymbolError)


@pytest.mark.parametrize("status", [403, 429, 200])
def test_asking_too_fast_stops_for_ten_minutes(vendor: FakeSecEdgar, status: int) -> None:
    vendor.fail("tickers", Fault(**{**vars(TOO_FAST), "status": status}))
    failure = facts_of(vendor, "AAPL").error
    assert isinstance(failure, QuotaSpentError)
    assert failure.until == NOW + timedelta(minutes=10)
    assert len(vendor.asked) == 1


def test_an_undeclared_tool_is_told_what_to_set(vendor: FakeSecEdgar) -> None:
    vendor.fail("tickers", UNDECLARED)
    failure = facts_of(vendor, "AAPL").error
    assert isinstance(failure, AccessError)
    assert "set SEC_EDGAR_EMAIL" in str(failure)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=503, body="<html>busy</html>", content_type="text/html"), RetryableError),
        (Fault(body="<html>hello</html>", content_type="text/html"), MalformedError),
        (Fault(body='{"cik":320193,"facts":{"us-gaap":[]}}'), MalformedError),
        (Fault(body='{"cik":"x","facts":{}}'), MalformedError),
        (Fault(body="{}"), MalformedError),
        (Fault(cut_after=40), MalformedError),
    ],
)
def test_answers_that_cannot_be_used_are_told_apart(
    vendor: FakeSecEdgar, fault: Fault, kind: type[Exception]
) -> None:
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {})
    vendor.fail("companyfacts", fault, times=3)
    assert isinstance(facts_of(vendor, "AAPL").error, kind)


def test_facts_of_another_shape_are_rejected_beside_good_ones(vendor: FakeSecEdgar) -> None:
    rows = [fact("2024-09-28", "1", "a", "2024-11-01"), '"not a fact"']
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {NET_INCOME: rows})
    answer = facts_of(vendor, "AAPL").answer
    assert len(answer.records) == 1
    assert [reject.body for reject in answer.rejects] == ['"not a fact"']
    assert not answer.is_complete


def test_a_big_company_is_read_whole(vendor: FakeSecEdgar) -> None:
    rows = [
        fact(
            f"20{10 + n % 15}-0{1 + n % 9}-28",
            f"{n}",
            f"0000320193-24-{n:06}",
            f"20{11 + n % 15}-11-01",
            start="2009-10-01",
        )
        for n in range(30_000)
    ]
    vendor.facts[APPLE] = company_facts("320193", "Apple Inc.", {NET_INCOME: rows})
    assert len(vendor.facts[APPLE]) > 4_000_000
    outcome = facts_of(vendor, "AAPL")
    assert [val for (val,) in outcome.rows("val")] == [f"{n}" for n in range(30_000)]


def test_the_email_shows_in_no_error(vendor: FakeSecEdgar) -> None:
    vendor.fail("tickers", Fault(status=400, body=f"bad agent {EMAIL}"))
    vendor.fail("tickers", Fault(body=f"no json but {EMAIL}"))
    for _ in range(2):
        assert EMAIL not in shown(facts_of(vendor, "AAPL").error)


def test_share_classes_are_spelt_with_a_dash() -> None:
    provider = made(SecEdgar, lambda: NOW, SEC_EDGAR_EMAIL=EMAIL)
    assert provider.spell("BRK.B", "equity") == "BRK-B"
