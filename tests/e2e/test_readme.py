"""What the README says can be run, and what is published is in it."""

import re
from pathlib import Path

import pytest

from ingest.settings import PROJECT_ROOT, DataDir
from tests.orchestration.warehouses import query

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = [
    *re.findall(r"\| `(select [^`]+|from [^`]+)` \|$", README, re.MULTILINE),
    *re.findall(r"```sql\n(.+?);?\n```", README, re.DOTALL),
]


@pytest.fixture(scope="module")
def market(demo: Path) -> Path:
    return DataDir(demo / "data").market


def test_there_are_queries_to_try() -> None:
    assert len(QUERIES) > 15


@pytest.mark.parametrize("sql", QUERIES)
def test_every_query_runs(market: Path, sql: str) -> None:
    query(market, sql)


@pytest.mark.parametrize(
    "sql",
    [
        sql
        for sql in QUERIES
        # Vendors can only disagree where there are two: the demo has one of each instrument.
        # It has neither companies' figures nor news.
        if re.search(
            r"gold\.(?!mart_(data_agreement|fundamental|sentiment))|silver\.(bars|bar_|adj|corp)",
            sql,
        )
    ],
)
def test_queries_over_prices_find_something(market: Path, sql: str) -> None:
    assert query(market, sql)


def test_every_published_table_is_listed(market: Path) -> None:
    published = query(
        market,
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('gold', 'silver') and not starts_with(table_name, 'int_')",
    )
    assert [name for (name,) in published if f"`{name}`" not in README] == []


def test_every_make_target_in_the_text_exists() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", README)) <= targets
