"""SEC EDGAR: who files with the SEC, and every XBRL fact of a company, no key needed.

Sources:
    https://www.sec.gov/search-filings/edgar-application-programming-interfaces
    https://www.sec.gov/os/webmaster-faq#developers

The SEC wants to know who is asking: without a contact e-mail in `SEC_EDGAR_EMAIL` nothing is asked.
Facts are of a company, so a ticker is looked up in the list of companies first. `fy` and `fp` of a
fact are those of the filing that reports it, also for the year before; all rows are landed as sent.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, ClassVar

from ingest.answers import Found, an_object, array, filled_array
from ingest.http import Policy
from ingest.limits import RateLimit
from ingest.provider import (
    AccessError,
    Answer,
    Dataset,
    ProviderError,
    QuotaSpentError,
    Request,
    UnknownSymbolError,
    fields,
)
from ingest.rest import RestProvider, symbol_of
from ingest.symbols import Spelling

EMAIL = "SEC_EDGAR_EMAIL"
COMPANIES_PATH = "/files/company_tickers_exchange.json"
CIK_DIGITS = 10
BLOCK = timedelta(minutes=10)
"""How long an address that asked too fast is refused."""


class SecEdgar(RestProvider):
    """Companies and their facts. Share classes are spelt with a dash (`BRK-B`)."""

    name: ClassVar[str] = "sec_edgar"
    base_url: ClassVar[str] = "https://www.sec.gov"
    hosts: ClassVar[Mapping[str, str]] = {"data": "https://data.sec.gov"}
    secret_names: ClassVar[tuple[str, ...]] = (EMAIL,)
    spelling: ClassVar[Spelling] = Spelling(share_class="-")
    # 10 a second is what the SEC allows over all its hosts. Answers have tens of megabytes: a few
    # at a time bound the memory, and time enough to arrive.
    policy: ClassVar[Policy] = Policy(
        limits=(RateLimit(8, per_seconds=1),), concurrency=4, attempt_seconds=120
    )
    datasets: ClassVar[Mapping[str, Dataset]] = {
        "companies": Dataset(
            "companies",
            fields("cik", "name", "ticker", "exchange"),
            kind="extract",
            asset_classes=("equity",),
            is_by_symbol=False,
            refresh_after=timedelta(days=1),
        ),
        "company_facts": Dataset(
            "company_facts",
            fields(
                "cik",
                "taxonomy",
                "concept",
                "label",
                "description",
                "unit",
                "val",
                "accn",
                "fy",
                "fp",
                "form",
                "filed",
                "frame",
                entity_name="entityName",
                period_start="start",
                period_end="end",
            ),
            kind="extract",
            asset_classes=("equity",),
            refresh_after=timedelta(days=1),
        ),
    }

    def forget(self) -> None:
        """Forget the companies."""
        self._ciks: dict[str, str] | None = None
        self._lock = asyncio.Lock()

    def headers(self) -> Mapping[str, str]:
        """Return who is asking: agents without an e-mail are refused."""
        return {"User-Agent": f"tapehouse/{version('tapehouse')} {self.secrets[EMAIL]}"}

    def classify(self, status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
        """Read the HTML pages that the SEC sends instead of an answer."""
        del status, headers
        if not text.lstrip().startswith("<"):
            return None
        if "Request Rate Threshold Exceeded" in text:
            return QuotaSpentError(
                "it was asked too fast and refuses this address for about"
                f" {BLOCK / timedelta(minutes=1):g} minutes",
                self.clock() + BLOCK,
            )
        if "Undeclared Automated Tool" in text:
            return AccessError(f"set {EMAIL} to an e-mail address at which you can be reached")
        return None

    async def ask_companies(self, request: Request) -> Answer:
        """Ask for every company that has a ticker."""
        found = await self._companies()
        return found.answer(request, self.clock())

    async def ask_company_facts(self, request: Request) -> Answer:
        """Ask for every fact that a company has reported in XBRL."""
        ticker = symbol_of(request)
        cik = await self._cik(ticker)

        def classify(status: int, text: str, headers: Mapping[str, str]) -> ProviderError | None:
            if status == HTTPStatus.NOT_FOUND:
                return UnknownSymbolError(
                    f"SEC has no XBRL facts of {ticker} (CIK {cik}): not every company"
                    " files in XBRL (funds, many foreign ones); leave it out of the pulls"
                )
            return self.classify(status, text, headers)

        found = await self.http.get(
            f"/api/xbrl/companyfacts/CIK{cik}.json",
            {},
            lambda body: _facts(body, cik),
            classify=classify,
            base_url=self.host("data"),
        )
        return found.answer(request, self.clock())

    async def _companies(self) -> Found:
        return await self.http.get(COMPANIES_PATH, {}, _companies)

    async def _cik(self, ticker: str) -> str:
        """Return the padded number of the company that has a ticker now.

        The list is asked for once per run, however many symbols are asked for at once.
        """
        async with self._lock:
            if self._ciks is None:
                listed = (await self._companies()).records
                self._ciks = {}
                for record in listed:
                    if re.fullmatch(rf"\d{{1,{CIK_DIGITS}}}", str(record["cik"]), re.ASCII):
                        # The list is ordered by size: of two with one ticker, the first is meant.
                        named = str(record["ticker"]).upper()
                        self._ciks.setdefault(named, _padded(record["cik"]))
        cik = self._ciks.get(ticker.upper())
        if cik is None:
            raise UnknownSymbolError(
                f"SEC lists no company with the ticker {ticker!r}: correct the symbol; the dataset"
                " companies lists those it has"
            )
        return cik


def _companies(body: Any) -> Found:  # noqa: ANN401 - JSON is whatever the vendor sent
    """Return one record per row of the table `{"fields": […], "data": [[…], …]}`."""
    names = body["fields"]
    if missing := {"cik", "name", "ticker", "exchange"} - set(names):
        raise ValueError(f"expected the fields {', '.join(sorted(missing))} too")
    found = Found()
    rows = found.arrays(filled_array(body["data"]), len(names))
    found.records += (dict(zip(names, row, strict=True)) for row in rows)
    return found


def _facts(body: Any, cik: str) -> Found:  # noqa: ANN401
    """Return one record per fact, with what the levels above it say.

    The number of the company comes as a number in some files and padded with zeros in others.
    """
    if _padded(body["cik"]) != cik:
        raise ValueError(f"expected the facts of CIK {cik}, not of {body['cik']}")
    found = Found()
    for taxonomy, concepts in an_object(body["facts"]).items():
        for concept, about in an_object(concepts).items():
            above = {
                "cik": body["cik"],
                "entityName": body["entityName"],
                "taxonomy": taxonomy,
                "concept": concept,
                **{key: value for key, value in an_object(about).items() if key != "units"},
            }
            for unit, rows in an_object(about["units"]).items():
                found.records += (
                    {**above, "unit": unit, **row} for row in found.objects(array(rows))
                )
    return found


def _padded(cik: Any) -> str:  # noqa: ANN401
    return str(int(cik)).zfill(CIK_DIGITS)
