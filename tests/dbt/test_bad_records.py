"""No record can stop a build, whatever is in it: it is accepted or in quarantine, never lost."""

from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from ingest.settings import DataDir
from tests.dbt.fundamentals import fact
from tests.dbt.landing import (
    DAY,
    Landing,
    bars,
    coinbase_bars,
    inbox_bars,
    listing,
    product,
    sample_bars,
    sessions,
    simulator_bars,
)
from tests.dbt.news import article, post
from tests.dbt.trading import DECISION, EXECUTION, MOVEMENT
from tests.dbt.vendors.conftest import LEFT_OUT
from tests.dbt.warehouse import Warehouse, rows

Record = dict[str, str]

ODD_TEXTS = (
    *("", " ", "-", "NULL", "nan", "inf", "-Infinity", "0", "-0.0", "1e-320", "1e24", "1e308"),
    *("-1e308", "1e999", "9223372036854775807", "9223372036854775808", "1,5", "0x1F", "١٢", "½"),
    *("-infinity", "infinity", "epoch", "now", "0001-01-01", "2024-02-30", "9999-12-31"),
    *("9999-12-30T23:59:59Z", "294247-01-10 04:00:54", "290309-12-22 (BC) 00:00:00"),
    *("2024-01-02T03:04:05+99:99", "9223372036854", "-9223372036854", "5874897-12-31"),
    *("'; drop table bars; --", '{"a":', "\\ud83d", "\x01\u202e\U0001f4a9", "x" * 5000),
)
FETCHED = "2024-02-01T00:00Z"


def each_field_odd(good: Mapping[str, str]) -> list[Record]:
    """Return the good record with each odd text in the place of each of its values."""
    return [{**good, name: text} for name in good for text in ODD_TEXTS]


def odd_inbox_bars() -> list[Record]:
    optional = {"adj_close": "1", "vwap": "1", "trade_count": "1"}
    kinds = (
        ("equity", "4h", "2024-01-03T14:30Z"),
        ("crypto", "1m", "2024-01-03T14:30Z"),
        ("fx", "1d", "2024-01-03T00:00Z"),
    )
    return [
        record
        for asset_class, timeframe, start in kinds
        for good in inbox_bars(asset_class, "X", timeframe, bars(start, 1, DAY))
        for record in each_field_odd({**good, **optional})
    ]


def odd_records() -> Mapping[tuple[str, str], Sequence[object]]:
    """Return records in which each value is odd once, of what is in no vendor's own module."""
    one = bars("2024-01-03T00:00Z", 1, DAY)
    calendar = sessions(date(2024, 1, 2), date(2024, 1, 31))
    action = {"symbol": "X", "action_type": "split", "ex_date": "2024-01-04", "ratio": "2"}
    dividend = {**action, "action_type": "dividend", "amount": "1", "currency": "USD"}
    (candle,) = coinbase_bars(one)
    return {
        ("inbox", "bars"): odd_inbox_bars(),
        ("inbox", "instruments"): each_field_odd(listing("odd", "ODD", "2000-01-01")),
        ("inbox", "corporate_actions"): each_field_odd(
            {"asset_class": "equity", **dividend, "new_symbol": "Y"}
        ),
        ("inbox", "decisions"): each_field_odd(DECISION),
        ("inbox", "executions"): each_field_odd(EXECUTION),
        ("inbox", "cash_movements"): each_field_odd(MOVEMENT),
        ("inbox", "fundamentals"): each_field_odd(fact("revenue", "1", fiscal_period="Q1")),
        ("inbox", "news_articles"): each_field_odd(
            article("odd", "A headline", updated_at="2024-01-11T00:00Z", sentiment_score="0.5")
        ),
        ("inbox", "social_posts"): each_field_odd(post("odd", "A title")),
        ("simulator", "bars"): each_field_odd(simulator_bars("SIM-X", one)[0]),
        ("sample", "bars"): each_field_odd(sample_bars("X", one)[0]),
        ("coinbase", "bars"): [
            [*candle[:place], text, *candle[place + 1 :]]
            for place in range(len(candle))
            for text in ODD_TEXTS
        ],
        ("sample", "instruments"): [
            listing("X", "X", "2000-01-01"),
            *each_field_odd(listing("odd", "ODD", "2000-01-01")),
        ],
        ("simulator", "instruments"): each_field_odd(
            listing("odd", "SIM-X", "2000-01-01", asset_class="crypto")
        ),
        ("sample", "corporate_actions"): [*each_field_odd(action), *each_field_odd(dividend)],
        ("coinbase", "products"): each_field_odd(
            dict.fromkeys(product("X-USD"), "1") | product("X-USD")
        ),
        ("exchange_calendars", "sessions"): [*calendar, *each_field_odd(calendar[0])],
    }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of odd records, with the same ones beyond what vendors document."""
    warehouse = Warehouse(tmp_path_factory.mktemp("odd"))
    lake = Landing(DataDir(warehouse.data))
    undeclared = {"un\\ud83ddeclared": "\ud83d", "nested": {"a": [1, None]}}
    for (provider, dataset), records in odd_records().items():
        lake.land(
            provider,
            dataset,
            [{**r, **undeclared} if isinstance(r, dict) else r for r in records],
            fetched=FETCHED,
            symbol="X-USD" if dataset == "bars" else None,
            timeframe="1d" if dataset == "bars" else None,
            asked=("2024-01-01T00:00Z", FETCHED) if dataset == "bars" else None,
        )
    warehouse.build("--exclude-resource-type", "unit_test", "--exclude", LEFT_OUT)
    return warehouse


def test_every_record_is_accepted_or_in_quarantine(warehouse: Warehouse) -> None:
    balance = rows(
        warehouse.database,
        "select provider, dataset, landed_count, accepted_count > 0, quarantined_count > 0"
        " from ops.record_balance where is_balanced",
    )
    landed = {key: len(records) for key, records in odd_records().items()}
    assert {(provider, dataset): count for provider, dataset, count, *_ in balance} == landed
    assert all(accepted and quarantined for *_, accepted, quarantined in balance)


def test_nothing_that_is_not_a_number_is_in_a_price(warehouse: Warehouse) -> None:
    assert not rows(
        warehouse.database,
        "select * from silver.bars where not isfinite(open + high + low + close)"
        " and greatest(open, high, low, close) < 1e300",
    )
