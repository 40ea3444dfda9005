"""What Silver makes of vendors that change their mind: the last word counts, none is forgotten."""

import pytest

from tests.dbt.vendors.changing import BAR_COUNT, SERIES
from tests.dbt.warehouse import Warehouse, rows


@pytest.fixture(params=SERIES)
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def where(provider: str) -> str:
    series = SERIES[provider]
    return (
        f"provider = '{provider}' and instrument_id = '{series.instrument_id}'"
        f" and timeframe = '{series.timeframe}' and session_date = date '2026-03-10'"
    )


def number_of_bar(provider: str) -> str:
    """Return the SQL that counts a series' bars from 0."""
    series = SERIES[provider]
    step = f"{series.step.total_seconds():.0f}"
    return f"cast(epoch(bar_start_at) - {series.start.timestamp():.0f} as bigint) // {step}"


def test_the_last_answer_counts_and_no_bar_is_doubled(vendors: Warehouse, provider: str) -> None:
    """The third bar went from 101 to 102 and back; the tenth was in progress when first seen."""
    found = rows(
        vendors.database,
        f"select {number_of_bar(provider)}, close, is_final from silver.bars"
        f" where {where(provider)} order by bar_start_at",
    )
    last = dict.fromkeys(range(BAR_COUNT), 100.0) | {2: 101.0, 5: 103.25, 9: 105.5}
    assert found == [(number, close, True) for number, close in last.items()]


@pytest.mark.parametrize(
    ("number", "closes", "final"),
    [
        (2, [101, 102, 101, 102], [True] * 4),
        (5, [100.5, 100.5, 103.25], [True] * 3),
        (9, [99, 105.5, 105.5], [False, True, True]),
    ],
)
def test_every_version_is_kept_and_one_is_current(
    vendors: Warehouse,
    provider: str,
    number: int,
    closes: list[float],
    final: list[bool],
) -> None:
    """The third bar's fourth version was the newest row, but the answer before was repeated."""
    found = rows(
        vendors.database,
        "select close, count(*) filter (where is_current), bool_and(is_final)"
        f" from silver.bar_versions where {where(provider)}"
        f" and {number_of_bar(provider)} = {number}"
        " group by _fetched_at, close order by _fetched_at",
    )
    said = 3 if provider == "kraken" else len(closes)
    assert [close for close, _, _ in found] == closes[:said]
    assert [count for _, count, _ in found] == [0, 0, 1, 0][:said]
    assert [is_final for _, _, is_final in found] == final[:said]


@pytest.mark.parametrize(
    ("as_of", "close"),
    [("09:34", 101), ("10:59", 101), ("11:00", 102), ("16:59", 102), ("17:00", 101)],
)
def test_what_came_back_by_a_confirmation_is_not_seen_before_it(
    vendors: Warehouse, as_of: str, close: float
) -> None:
    """The third hour's first final version counts from its end; 102 held from 15:00 to 17:00."""
    found = rows(
        vendors.database,
        f"select arg_max(close, available_at) from silver.bar_versions where {where('coinbase')}"
        f" and hour(bar_start_at) = 2 and available_at <= timestamp '2026-03-10 {as_of}'",
    )
    assert found == [(close,)]


def test_bars_hold_what_came_back_from_its_confirmation_on(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        "select close, strftime(available_at, '%H:%M') from silver.bars"
        f" where {where('coinbase')} and hour(bar_start_at) in (1, 2) order by bar_start_at",
    )
    assert found == [(100, "02:01"), (101, "17:00")]


def test_nothing_said_once_makes_no_bar_of_half_its_hours(vendors: Warehouse) -> None:
    """Of two hours of four there is a bar where the vendor said again that there are no others."""
    found = rows(
        vendors.database,
        """
        select strftime(bar_start_at, '%H:%M'), volume, is_final, is_derived
        from silver.bars
        where
            provider = 'coinbase' and instrument_id = 'crypto:LTC/USD' and timeframe = '4h'
            and session_date = date '2026-03-12'
        """,
    )
    assert found == [("04:00", 20, True, True)]


def test_rows_that_came_twice_are_versions_of_one_bar(vendors: Warehouse, provider: str) -> None:
    """Each row of three answers and a short one is there, and those that came twice are, too."""
    ((versions, bars, current),) = rows(
        vendors.database,
        "select count(*), count(distinct bar_start_at), count(*) filter (where is_current)"
        f" from silver.bar_versions where {where(provider)}",
    )
    short = 0 if provider == "kraken" else 2
    assert versions == 3 * BAR_COUNT + short + BAR_COUNT // 2 + 1
    assert (bars, current) == (BAR_COUNT, BAR_COUNT)
