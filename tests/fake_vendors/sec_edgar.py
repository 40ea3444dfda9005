"""A local SEC EDGAR that answers over real HTTP as its documentation and users describe.

Both of its hosts are one here. Values are made up. Nothing here knows the code under test.

Source: https://www.sec.gov/search-filings/edgar-application-programming-interfaces
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fake_vendors.server import Asked, FakeVendor, Fault, Limit, Reply

FIELDS = ("cik", "name", "ticker", "exchange")
EMAIL_PATTERN = re.compile(r"\S+@\S+\.\S+")


def page(status: int, title: str, about: str) -> Fault:
    """Return one of the HTML pages that come instead of an answer."""
    text = (
        "<!DOCTYPE html>\n<html><head><title>SEC.gov | "
        f"{title}</title></head><body><h1>{title}</h1><p>{about}</p></body></html>"
    )
    return Fault(status, text, content_type="text/html")


TOO_FAST = page(
    429,
    "Request Rate Threshold Exceeded",
    "Your access to SEC.gov has been limited for about 10 minutes.",
)
UNDECLARED = page(
    403,
    "Your Request Originates from an Undeclared Automated Tool",
    "Please declare your traffic by updating your user agent to include company information.",
)
NO_SUCH_KEY = Reply(
    404,
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>',
    content_type="application/xml",
)


LIMITS = (Limit(10, 1, blocks_seconds=600),)
"""Per address; who exceeds it is kept out for about ten minutes."""


@dataclass(kw_only=True)
class FakeSecEdgar(FakeVendor):
    """The vendor's state: rows of its list of companies, and the facts of each by its number."""

    limits: tuple[Limit, ...] = LIMITS
    companies: list[Sequence[Any]] = field(default_factory=list)
    facts: dict[int, str] = field(default_factory=dict)

    def throttled(self, asked: Asked, requests: int, seconds: float) -> Reply:
        """Return the page of an address that asks too fast."""
        del asked, requests, seconds
        return TOO_FAST

    def answer(self, asked: Asked) -> Reply:
        """Return the companies, or one company's facts, to those who say who they are."""
        if not EMAIL_PATTERN.search(asked.header("User-Agent")):
            return UNDECLARED
        match asked.parts:
            case ["files", "company_tickers_exchange.json"]:
                return Reply(body=json.dumps({"fields": FIELDS, "data": self.companies}))
            case ["api", "xbrl", "companyfacts", name]:
                found = re.fullmatch(r"CIK(\d{10})\.json", name)
                facts = self.facts.get(int(found[1])) if found else None
                return NO_SUCH_KEY if facts is None else Reply(body=facts)
            case _:
                return NO_SUCH_KEY


def fact(
    end: str,
    val: str,
    accn: str,
    filed: str,
    *,
    start: str | None = None,
    fy: int = 2024,
    fp: str = "FY",
    form: str = "10-K",
    frame: str | None = None,
) -> str:
    """Return the JSON text of one fact; `val` is the text of its number."""
    parts = [f'"end":"{end}"', f'"val":{val}', f'"accn":"{accn}"']
    if start is not None:
        parts.insert(0, f'"start":"{start}"')
    parts += [f'"fy":{fy}', f'"fp":"{fp}"', f'"form":"{form}"', f'"filed":"{filed}"']
    if frame is not None:
        parts.append(f'"frame":"{frame}"')
    return "{" + ",".join(parts) + "}"


def company_facts(
    cik: str, name: str, concepts: Mapping[tuple[str, str, str], Sequence[str]]
) -> str:
    """Return a company's file; `cik` is JSON text, concepts are (taxonomy, concept, unit)."""
    taxonomies: dict[str, dict[str, dict[str, Sequence[str]]]] = {}
    for (taxonomy, concept, unit), rows in concepts.items():
        taxonomies.setdefault(taxonomy, {}).setdefault(concept, {})[unit] = rows
    inner = ",".join(
        f'"{taxonomy}":{{{",".join(_concept(name, units) for name, units in concepts.items())}}}'
        for taxonomy, concepts in taxonomies.items()
    )
    return f'{{"cik":{cik},"entityName":{json.dumps(name)},"facts":{{{inner}}}}}'


def _concept(name: str, units: Mapping[str, Sequence[str]]) -> str:
    rows = ",".join(f'"{unit}":[{",".join(rows)}]' for unit, rows in units.items())
    return f'"{name}":{{"label":"{name} label","description":null,"units":{{{rows}}}}}'
