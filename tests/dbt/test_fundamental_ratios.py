"""Trailing years and ratios: cases worked by hand, and random filings against a plain reading."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.dbt.research import Research, Row

day, at = date.fromisoformat, datetime.fromisoformat
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Fact:
    """A reported figure; `known` is when, `start` is NULL for balances and shy vendors."""

    concept: str
    kind: str
    start: str | None
    end: str
    value: float
    known: str
    provider: str = "sec_edgar"
    unit: str = "USD"
    fetched: str = "2030-01-01"

    def row(self, instrument_id: str, number: int) -> Row:
        return (
            instrument_id,
            self.provider,
            {"sec_edgar": 20, "fmp": 30}[self.provider],
            self.concept,
            f"x:{self.concept}",
            self.unit,
            self.kind,
            day(self.start) if self.start else None,
            day(self.end),
            None,
            f"filing {number:06}",
            at(self.known).date(),
            1,
            float(self.value),
            at(self.known),
            True,
            at(self.fetched),
        )


def year(end: str, value: float, known: str, start: str, **changed: str) -> Fact:
    return replace(Fact("revenue", "annual", start, end, value, known), **changed)


def quarter(start: str, end: str, value: float, known: str, **changed: str) -> Fact:
    return replace(Fact("revenue", "quarter", start, end, value, known), **changed)


def months(start: str, end: str, value: float, known: str, **changed: str) -> Fact:
    return replace(Fact("revenue", "year_to_date", start, end, value, known), **changed)


def shy(kind: str, end: str, value: float, known: str, **changed: str) -> Fact:
    """Return a figure of a vendor that does not say where a period starts."""
    return replace(Fact("revenue", kind, None, end, value, known, provider="fmp"), **changed)


def balance(concept: str, end: str, value: float, known: str, **changed: str) -> Fact:
    return replace(Fact(concept, "instant", None, end, value, known), **changed)


Trailing = tuple[str, str, str, float]
"""From, until, last day of the trailing year, revenue."""

CASES: Mapping[str, tuple[Sequence[Fact], Sequence[Trailing]]] = {
    # 420 = 400 + 110 - 90, and 440 = 420 of the year to June: 400 + 250 - 210.
    "a calendar year and what came since": (
        [
            quarter("2021-01-01", "2021-03-31", 90, "2021-05-01"),
            months("2021-01-01", "2021-06-30", 210, "2021-08-01"),
            year("2021-12-31", 400, "2022-02-20", "2021-01-01"),
            quarter("2022-01-01", "2022-03-31", 110, "2022-05-01"),
            months("2022-01-01", "2022-06-30", 250, "2022-08-01"),
        ],
        [
            ("2022-02-20", "2022-05-01", "2021-12-31", 400),
            ("2022-05-01", "2022-08-01", "2022-03-31", 420),
            ("2022-08-01", "2023-12-30", "2022-06-30", 440),
        ],
    ),
    # Years of 52 and 53 weeks that end in September: 1010 = 1000 + 310 - 300, of 14 and 13 weeks.
    "a fiscal year of weeks": (
        [
            year("2022-09-24", 1000, "2022-10-28", "2021-09-26"),
            quarter("2021-09-26", "2021-12-25", 300, "2022-01-28"),
            quarter("2022-09-25", "2022-12-31", 310, "2023-02-03"),
        ],
        [
            ("2022-10-28", "2023-02-03", "2022-09-24", 1000),
            ("2023-02-03", "2024-06-30", "2022-12-31", 1010),
        ],
    ),
    # In February the quarter before is told anew: 421 = 400 + 110 - 89, later the year: 426.
    "a restatement counts from when it is told": (
        [
            year("2021-09-30", 400, "2021-11-20", "2020-10-01"),
            quarter("2020-10-01", "2020-12-31", 90, "2021-02-01"),
            quarter("2021-10-01", "2021-12-31", 110, "2022-02-01"),
            quarter("2020-10-01", "2020-12-31", 89, "2022-02-15"),
            year("2021-09-30", 405, "2022-03-01", "2020-10-01"),
        ],
        [
            ("2021-11-20", "2022-02-01", "2021-09-30", 400),
            ("2022-02-01", "2022-02-15", "2021-12-31", 420),
            ("2022-02-15", "2022-03-01", "2021-12-31", 421),
            ("2022-03-01", "2023-06-30", "2021-12-31", 426),
        ],
    ),
    # The quarter to June 2022 was never told: the year to March stands until that to June 2023.
    "a missing quarter": (
        [
            *(
                shy("quarter", end, value, known)
                for end, value, known in (
                    ("2021-06-30", 1, "2021-08-01"),
                    ("2021-09-30", 2, "2021-11-01"),
                    ("2021-12-31", 4, "2022-02-01"),
                    ("2022-03-31", 8, "2022-05-01"),
                    ("2022-09-30", 16, "2022-11-01"),
                    ("2022-12-31", 32, "2023-02-01"),
                    ("2023-03-31", 64, "2023-05-01"),
                    ("2023-06-30", 128, "2023-08-01"),
                )
            )
        ],
        [
            ("2022-05-01", "2023-08-01", "2022-03-31", 15),
            ("2023-08-01", "2024-12-30", "2023-06-30", 240),
        ],
    ),
    # Known until 18 months after the year: then nothing is, until the next report.
    "only annual reports": (
        [
            year("2020-06-30", 10, "2020-10-01", "2019-07-01"),
            year("2021-06-30", 20, "2022-02-01", "2020-07-01"),
        ],
        [
            ("2020-10-01", "2021-12-30", "2020-06-30", 10),
            ("2022-02-01", "2022-12-30", "2021-06-30", 20),
        ],
    ),
    # The last quarter of 2021 is the year less nine months, 30: 30 + 21 + 22 + 23 = 96.
    "a quarter that only cumulative figures tell": (
        [
            months("2021-01-01", "2021-09-30", 70, "2021-11-01"),
            year("2021-12-31", 100, "2022-02-01", "2021-01-01"),
            quarter("2022-01-01", "2022-03-31", 21, "2022-05-01"),
            quarter("2022-04-01", "2022-06-30", 22, "2022-08-01"),
            quarter("2022-07-01", "2022-09-30", 23, "2022-11-01"),
        ],
        [
            ("2022-02-01", "2022-11-01", "2021-12-31", 100),
            ("2022-11-01", "2024-03-30", "2022-09-30", 96),
        ],
    ),
    # Of four quarters and the year they make up, the year counts, from when it is told.
    "a year after its quarters": (
        [
            shy("quarter", "2022-03-31", 1, "2022-05-01"),
            shy("quarter", "2022-06-30", 2, "2022-08-01"),
            shy("quarter", "2022-09-30", 3, "2022-11-01"),
            shy("quarter", "2022-12-31", 4, "2023-02-01"),
            shy("annual", "2022-12-31", 11, "2023-03-01"),
        ],
        [
            ("2023-02-01", "2023-03-01", "2022-12-31", 10),
            ("2023-03-01", "2024-06-30", "2022-12-31", 11),
        ],
    ),
    # Of two vendors the one with the later statement, then the first in the order of vendors.
    "two vendors": (
        [
            year("2021-12-31", 100, "2022-02-20", "2021-01-01"),
            shy("annual", "2021-12-31", 101, "2022-02-10"),
            shy("annual", "2022-12-31", 202, "2023-02-10"),
        ],
        [
            ("2022-02-10", "2022-02-20", "2021-12-31", 101),
            ("2022-02-20", "2023-02-10", "2021-12-31", 100),
            ("2023-02-10", "2024-06-30", "2022-12-31", 202),
        ],
    ),
    # Filed long after it was of use.
    "what is stale when it is told": ([year("2015-12-31", 1, "2018-01-01", "2015-01-01")], []),
}

# A year's revenue beside that of the days a year before: 420 = 400 + 110 - 90, then 430, as 2021 is
# told anew long after it was the latest. From 2022-09-24 to 2023-09-30 are 371 days.
GROWTH: Mapping[str, tuple[Sequence[Fact], Sequence[tuple[str, str, float, float | None]]]] = {
    "grown": (
        [
            quarter("2021-01-01", "2021-03-31", 90, "2021-05-01"),
            year("2021-12-31", 400, "2022-02-20", "2021-01-01"),
            quarter("2022-01-01", "2022-03-31", 110, "2022-05-01"),
            year("2022-12-31", 500, "2023-02-20", "2022-01-01"),
            quarter("2023-01-01", "2023-03-31", 130, "2023-05-01"),
            year("2021-12-31", 410, "2023-06-01", "2021-01-01"),
        ],
        [
            ("2022-02-20", "2022-05-01", 400, None),
            ("2022-05-01", "2023-02-20", 420, None),
            ("2023-02-20", "2023-05-01", 500, 400),
            ("2023-05-01", "2023-06-01", 520, 420),
            ("2023-06-01", "2024-09-30", 520, 430),
        ],
    ),
    "grown in weeks": (
        [
            year("2022-09-24", 1000, "2022-10-28", "2021-09-26"),
            year("2023-09-30", 1100, "2023-11-03", "2022-09-25"),
        ],
        [
            ("2022-10-28", "2023-11-03", 1000, None),
            ("2023-11-03", "2025-03-30", 1100, 1000),
        ],
    ),
    "a year that began on other days": (
        [
            year("2022-06-22", 1000, "2022-08-01", "2021-06-23"),
            year("2023-06-30", 1100, "2023-08-01", "2022-07-01"),
        ],
        [
            ("2022-08-01", "2023-08-01", 1000, None),
            ("2023-08-01", "2024-12-30", 1100, None),
        ],
    ),
}

# 100 shares, from 2022-06-01 on 200: figures of the year 2021 are in old shares, later ones in new.
SPLIT, PERIOD = "2022-06-01", {"start": "2021-01-01", "end": "2021-12-31", "known": "2022-02-20"}
COMPANY = [
    *(
        Fact(concept, "annual", value=value, **PERIOD)
        for concept, value in (
            ("revenue", 1000),
            ("cost_of_revenue", 600),
            ("operating_income", 200),
            ("net_income", 150),
            ("operating_cash_flow", 180),
            ("capital_expenditure", 80),
            ("depreciation_and_amortization", 50),
        )
    ),
    Fact("eps_diluted", "annual", value=1.5, unit="USD/shares", **PERIOD),
    *(
        balance(concept, "2021-12-31", value, "2022-02-20")
        for concept, value in (
            ("total_assets", 2000),
            ("current_assets", 500),
            ("total_liabilities", 1200),
            ("current_liabilities", 250),
            ("cash", 100),
            ("short_term_debt", 50),
            ("long_term_debt", 350),
            ("total_equity", 800),
        )
    ),
    balance("shares_outstanding", "2022-02-10", 100, "2022-02-20", unit="shares"),
    # The quarters say what the year before had in the shares of their own filing's day.
    *(
        Fact("eps_diluted", "quarter", f"{y}-04-01", f"{y}-06-30", value, "2022-08-01",
             unit="USD/shares")
        for y, value in ((2021, 0.2), (2022, 0.25))
    ),
    *(
        Fact("eps_diluted", "year_to_date", f"{y}-01-01", f"{y}-06-30", value, "2022-08-01",
             unit="USD/shares")
        for y, value in ((2021, 0.35), (2022, 0.5))
    ),
    *(
        Fact("net_income", "year_to_date", f"{y}-01-01", f"{y}-06-30", value, "2022-08-01")
        for y, value in ((2021, 70), (2022, 100))
    ),
    balance("shares_outstanding", "2022-07-20", 210, "2022-08-01", unit="shares"),
]  # fmt: skip
LOSSES = [
    Fact("revenue", "annual", value=0, **PERIOD),
    Fact("net_income", "annual", value=-10, **PERIOD),
    Fact("eps_diluted", "annual", value=-0.1, unit="USD/shares", **PERIOD),
    balance("total_equity", "2021-12-31", -5, "2022-02-20"),
    balance("total_assets", "2021-12-31", 100, "2022-02-20"),
    balance("shares_outstanding", "2022-02-10", 100, "2022-02-20", unit="shares"),
]
# A vendor that gives all in the shares of the day it is asked, which was after the split.
RESTATED = [
    replace(fact, provider="fmp", fetched="2023-01-01")
    for fact in (
        Fact("eps_diluted", "annual", value=0.75, unit="USD/shares", **PERIOD),
        Fact("net_income", "annual", value=150, **PERIOD),
        Fact("shares_basic", "annual", value=200, unit="shares", **PERIOD),
    )
]
COMPANIES = {"company": COMPANY, "losses": LOSSES, "abroad": COMPANY, "restated": RESTATED}
LAG = timedelta(minutes=15)
CORRECTED, CORRECTED_AT, CORRECTED_TO = "2022-05-31", at("2023-05-31"), 33.0
"""The bar of May is corrected a year later: its price and its figures stay those of May."""
BARS = {"2022-02-18": 30.0, "2022-02-22": 30.0, "2022-05-31": 30.0, SPLIT: 15.0, "2022-08-02": 16.0}


def daily_bars(name: str) -> Iterator[Row]:
    for text, told in BARS.items():
        end = at(f"{text}T21:00")
        factor = 2.0 if text >= SPLIT else 1.0
        is_corrected = text == CORRECTED
        close, known = (CORRECTED_TO, CORRECTED_AT) if is_corrected else (told, end + LAG)
        yield (
            *(name, text, f"equity:{name}", day(text), close + 1, close - 1, close),
            *(factor, None, end, known),
        )


def known_closes(name: str) -> Iterator[Row]:
    """Return what was known of the bar that was corrected; another one's hours are no matter."""
    bar = (f"equity:{name}", "1d", day(CORRECTED))
    first = at(f"{CORRECTED}T21:00") + LAG
    yield (*bar, BARS[CORRECTED], first, CORRECTED_AT)
    yield (*bar, CORRECTED_TO, CORRECTED_AT, at("9999-12-31"))
    yield (bar[0], "1h", bar[2], 7.0, first, at("9999-12-31"))


def observations(name: str) -> Iterator[Row]:
    for text in BARS:
        for timeframe in ("1d", "1h"):
            yield f"equity:{name}", day(text), timeframe, at(f"{text}T21:00") + LAG


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Research:
    made = Research(tmp_path_factory.mktemp("fundamentals") / "warehouse")
    worked = {name: facts for name, (facts, _) in (*CASES.items(), *GROWTH.items())}
    told = {**worked, **COMPANIES, **RANDOM}
    made.set(
        "silver.fundamentals",
        [
            fact.row(f"equity:{name}", number)
            for name, facts in told.items()
            for number, fact in enumerate(facts)
        ],
    )
    made.set(
        "silver.adjustment_factors",
        [
            (f"equity:{name}", day(since), factor)
            for name in COMPANIES
            for since, factor in (("2022-01-03", 1.0), (SPLIT, 2.0))
        ],
    )
    made.set("gold.fct_daily_bars", [bar for name in COMPANIES for bar in daily_bars(name)])
    made.set("silver.int_bars__known", [bar for name in COMPANIES for bar in known_closes(name)])
    made.set(
        "staging.int_features__observations",
        [row for name in COMPANIES for row in observations(name)],
    )
    made.set(
        "gold.dim_instruments",
        [(name, "EUR" if name == "abroad" else "USD") for name in COMPANIES],
    )
    made.compute("int_fundamentals__trailing", "mart_fundamental_ratios")
    return made


@pytest.mark.parametrize("case", CASES)
def test_a_trailing_year_worked_by_hand(research: Research, case: str) -> None:
    found = research.ask(
        "select valid_from, valid_to, income_period_end_date, revenue_ttm"
        f" from silver.int_fundamentals__trailing where instrument_id = 'equity:{case}'"
        " order by valid_from"
    )
    assert found == [(at(a), at(b), day(end), value) for a, b, end, value in CASES[case][1]]


@pytest.mark.parametrize("case", GROWTH)
def test_revenue_is_beside_that_of_the_same_days_a_year_before(
    research: Research, case: str
) -> None:
    found = research.ask(
        "select valid_from, valid_to, revenue_ttm, revenue_ttm_year_before"
        f" from silver.int_fundamentals__trailing where instrument_id = 'equity:{case}'"
        " order by valid_from"
    )
    assert found == [(at(a), at(b), *values) for a, b, *values in GROWTH[case][1]]


# -- ratios ----------------------------------------------------------------------------------------


def ratios(research: Research, name: str, session: str, columns: str) -> tuple[Any, ...] | None:
    found = research.ask(
        f"select {columns} from gold.mart_fundamental_ratios"
        f" where instrument_id = 'equity:{name}' and session_date = '{session}'"
    )
    return found[0] if found else None


def test_ratios_are_those_of_a_calculator(research: Research) -> None:
    """30 a share, 100 shares: 3,000; 3,300 with debt less cash; 250 before depreciation."""
    assert ratios(
        research,
        "company",
        "2022-02-22",
        "market_cap, pe_ttm, pb, ps_ttm, ev_ebitda, gross_margin, operating_margin, net_margin,"
        " roe, roa, debt_to_equity, current_ratio, fcf_yield, earnings_yield",
    ) == pytest.approx(
        (3000, 20, 3.75, 3, 13.2, 0.4, 0.2, 0.15, 0.1875, 0.075, 0.5, 2, 100 / 3000, 0.05)
    )


def test_nothing_is_known_before_the_filing(research: Research) -> None:
    assert ratios(research, "company", "2022-02-18", "pe_ttm") is None


def test_a_split_changes_no_ratio(research: Research) -> None:
    """Half the price, half the earnings a share, twice the shares."""
    columns = "market_cap, pe_ttm, eps_diluted_ttm * split.factor, pb"
    joined = [
        ratios(research, "company", session, columns.replace("split.factor", factor))
        for session, factor in (("2022-05-31", "1"), (SPLIT, "2"))
    ]
    assert joined[0] == pytest.approx((3000, 20, 1.5, 3.75))
    assert joined[1] == pytest.approx(joined[0])


def test_figures_filed_before_and_after_a_split_are_brought_to_one_unit(research: Research) -> None:
    """The year's 1.50 is 0.75 in new shares: 0.75 + 0.50 - 0.35 = 0.90; 210 shares at 16."""
    found = ratios(
        research,
        "company",
        "2022-08-02",
        "eps_diluted_ttm, pe_ttm, market_cap, earnings_yield, income_period_end_date, net_margin",
    )
    assert found is not None
    assert found[:4] == pytest.approx((0.9, 16 / 0.9, 3360, 180 / 3360))
    assert found[4] == day("2022-06-30")
    assert found[5] is None, "revenue is not known of that year"


def test_a_correction_of_the_price_changes_no_earlier_row(research: Research) -> None:
    """The bar of May is corrected in 2023, when the filing of August is known."""
    found = ratios(
        research, "company", CORRECTED, "price, pe_ttm, market_cap, facts_known_from, available_at"
    )
    known_at = at(f"{CORRECTED}T21:15")
    assert found == (30, pytest.approx(20), 3000, at("2022-02-20"), known_at)


def test_what_has_no_meaning_is_null(research: Research) -> None:
    found = ratios(
        research,
        "losses",
        "2022-02-22",
        "pe_ttm, pb, ps_ttm, net_margin, roe, debt_to_equity, ev_ebitda, eps_diluted_ttm,"
        " earnings_yield, roa",
    )
    assert found is not None
    assert found[:7] == (None,) * 7
    assert found[7:] == pytest.approx((-0.1, -10 / 3000, -0.1))


def test_a_price_in_another_currency_is_compared_with_nothing(research: Research) -> None:
    found = ratios(
        research,
        "abroad",
        "2022-02-22",
        "pe_ttm, pb, ps_ttm, ev_ebitda, fcf_yield, earnings_yield, market_cap, roe,"
        " price_currency, reporting_currency",
    )
    assert found == (*(None,) * 6, 3000, 0.1875, "EUR", "USD")


def test_vendors_that_restate_are_in_the_units_of_the_day_they_were_asked(
    research: Research,
) -> None:
    """Before the split the price was 30, the earnings 1.50 and the shares 100."""
    found = ratios(research, "restated", "2022-02-22", "eps_diluted_ttm, pe_ttm, market_cap")
    assert found == pytest.approx((1.5, 20, 3000))
    assert ratios(research, "restated", "2022-02-22", "shares_basis") == ("weighted_average",)


# -- random filings --------------------------------------------------------------------------------


STYLES = {
    "full": [("quarter", 1), ("quarter", 2), ("quarter", 3), ("year_to_date", 2),
             ("year_to_date", 3), ("annual", 4)],
    "cumulative": [("quarter", 1), ("year_to_date", 2), ("year_to_date", 3), ("annual", 4)],
    "quarters": [("quarter", 1), ("quarter", 2), ("quarter", 3), ("quarter", 4)],
    "annual": [("annual", 4)],
    "shy": [("quarter", 1), ("quarter", 2), ("quarter", 3), ("quarter", 4), ("annual", 4)],
}  # fmt: skip
"""What filers tell: kinds of period, and the quarter they end with."""


def random_filings(seed: int) -> list[Fact]:
    """Return six years of filings of one style, with gaps, delays and restatements."""
    rng = np.random.default_rng(seed)
    style = list(STYLES)[seed % len(STYLES)]
    provider = "fmp" if style == "shy" else "sec_edgar"
    last = pd.Timestamp(2014, int(rng.integers(1, 13)), 1) + pd.offsets.MonthEnd(0)
    facts: list[Fact] = []

    def tell(concept: str, kind: str, start: str | None, end: pd.Timestamp) -> None:
        if rng.random() < 0.08:
            return
        for tellings in range(1 + int(rng.random() < 0.15)):
            delay = pd.Timedelta(hours=int(rng.integers(24 * 20, 24 * (90 + 300 * tellings))))
            known = end + delay + pd.Timedelta(microseconds=len(facts))
            value = int(rng.integers(-50, 200))
            facts.append(
                Fact(concept, kind, start, f"{end.date()}", value, known.isoformat(), provider)
            )

    for number in range(6):
        ends = [last + pd.offsets.MonthEnd(12 * number + 3 * quarters) for quarters in range(5)]
        for concept in ("revenue", "net_income"):
            for kind, quarters in STYLES[style]:
                before = ends[quarters - 1 if kind == "quarter" else 0]
                start = None if style == "shy" else f"{(before + DAY).date()}"
                tell(concept, kind, start, ends[quarters])
        for end in ends[1:]:
            tell("total_assets", "instant", None, end)
    return facts


RANDOM = {f"random {seed}": random_filings(seed) for seed in range(40)}


def known_at(facts: Sequence[Fact], moment: datetime) -> dict[tuple[Any, ...], float]:
    """Return the last told value of each period."""
    told = sorted((fact for fact in facts if at(fact.known) <= moment), key=lambda f: f.known)
    return {(f.concept, f.kind, f.start, f.end): f.value for f in told}


def trailing_year(known: Mapping[tuple[Any, ...], float], concept: str, end: str) -> float | None:
    """Return the trailing year to a day by the first of the three ways that there is."""
    mine = {key[1:]: value for key, value in known.items() if key[0] == concept}
    years = {(s, e): v for (kind, s, e), v in mine.items() if kind == "annual"}
    since = {(s, e): v for (_, s, e), v in mine.items() if s}
    quarters = {e: v for (kind, _, e), v in mine.items() if kind == "quarter"}
    ways = (
        *(value for (_, year_end), value in years.items() if year_end == end),
        rolled(years, since, end),
        of_quarters(quarters, since, end),
    )
    return next((value for value in ways if value is not None), None)


Periods = Mapping[tuple[str | None, str], float]


def rolled(years: Periods, since: Periods, end: str) -> float | None:
    """Return the year before, with what came since, less the same months of it."""
    for (year_start, year_end), value in years.items():
        start = f"{day(year_end) + DAY}"
        if year_start is None or (start, end) not in since:
            continue
        length = (day(end) - day(start)).days
        for (s, e), before in since.items():
            same_months = abs((day(e) - day(year_start)).days - length) <= 10
            if s == year_start and (s, e) not in years and same_months:
                return value + since[start, end] - before
    return None


def of_quarters(reported: Mapping[str, float], since: Periods, end: str) -> float | None:
    """Return four quarters on end, told or between two figures since one start."""
    quarters = dict(reported)
    for (s, e), longer in since.items():
        for (other, shorter_end), shorter in since.items():
            apart = (day(e) - day(shorter_end)).days
            if s == other and 75 <= apart <= 125 and e not in reported:
                quarters[e] = longer - shorter
    total, last = 0.0, end
    for number in range(4):
        before = [e for e in quarters if 75 <= (day(last) - day(e)).days <= 125]
        last = last if number == 0 else "".join(before)
        if last not in quarters:
            return None
        total += quarters[last]
    return total


def year_before(known: Mapping[tuple[Any, ...], float], end: str) -> float | None:
    """Return the revenue of the trailing year that ended a year before, however old that is."""
    then = (pd.Timestamp(end) - pd.DateOffset(years=1)).date()
    for other in sorted({key[3] for key in known}):
        value = trailing_year(known, "revenue", other)
        if abs((day(other) - then).days) <= 7 and value is not None:
            return value
    return None


def expected_at(facts: Sequence[Fact], moment: datetime) -> tuple[Any, ...]:
    """Return income's end, revenue, of the year before too, net income, balance date and assets."""
    known = known_at(facts, moment)
    fresh = [
        end
        for end in sorted({key[3] for key in known}, reverse=True)
        if pd.Timestamp(end) + pd.DateOffset(months=18) > moment
    ]
    income: tuple[Any, ...] = (None, None, None, None)
    for end in fresh:
        found = [trailing_year(known, concept, end) for concept in ("revenue", "net_income")]
        if any(value is not None for value in found):
            income = (
                day(end),
                found[0],
                year_before(known, end) if found[0] is not None else None,
                found[1],
            )
            break
    assets = {key[3]: value for key, value in known.items() if key[0] == "total_assets"}
    dates = [end for end in fresh if end in assets]
    balances = (day(dates[0]), assets[dates[0]]) if dates else (None, None)
    return *income, *balances


@pytest.mark.parametrize("name", RANDOM)
def test_what_is_known_is_what_a_plain_reading_of_the_filings_gives(
    research: Research, name: str
) -> None:
    facts = RANDOM[name]
    found = research.ask(
        "select valid_from, valid_to, income_period_end_date, revenue_ttm,"
        " revenue_ttm_year_before, net_income_ttm,"
        " balance_date, total_assets"
        f" from silver.int_fundamentals__trailing where instrument_id = 'equity:{name}'"
        " order by valid_from"
    )
    assert found
    moments = {at(fact.known) for fact in facts}
    moments |= {row[0] for row in found} | {row[1] for row in found}
    moments |= {moment - timedelta(microseconds=1) for moment in moments}
    for moment in sorted(moments):
        rows_then = [row[2:] for row in found if row[0] <= moment < row[1]]
        expected = expected_at(facts, moment)
        assert rows_then == ([expected] if any(expected) else []), moment
