"""What Silver makes of Alpha Vantage: its zones, unfinished days, `None`, and share classes."""

import json
from typing import Any

import pytest

from tests.dbt.warehouse import Warehouse, rows


def found(vendors: Warehouse, query: str) -> list[tuple[Any, ...]]:
    return rows(vendors.database, query)


# -- bars ------------------------------------------------------------------------------------------


def test_labels_of_stocks_are_starts_in_new_york_in_winter_and_in_summer(
    vendors: Warehouse,
) -> None:
    """Clocks went forward on 8 March and back on 1 November 2026; the 28th is a half day."""
    starts = found(
        vendors,
        """
        select
            instrument_id, strftime(bar_start_at, '%Y-%m-%d %H:%M'),
            strftime(bar_end_at, '%H:%M'), cast(session_date as varchar)
        from silver.bar_versions
        where provider = 'alpha_vantage' and provider_symbol = 'AVT-B' and timeframe = '5m'
        order by bar_start_at
        """,
    )
    assert starts == [
        ("equity:AVT.B", "2025-11-28 14:30", "14:35", "2025-11-28"),
        ("equity:AVT.B", "2025-11-28 17:55", "18:00", "2025-11-28"),
        ("equity:AVT.B", "2026-03-06 20:55", "21:00", "2026-03-06"),
        ("equity:AVT.B", "2026-03-09 13:30", "13:35", "2026-03-09"),
        ("equity:AVT.B", "2026-10-30 19:55", "20:00", "2026-10-30"),
        ("equity:AVT.B", "2026-11-02 14:30", "14:35", "2026-11-02"),
    ]


def test_a_leap_day_is_a_day(vendors: Warehouse) -> None:
    days = found(
        vendors,
        """
        select
            cast(session_date as varchar), strftime(bar_start_at, '%Y-%m-%d %H:%M'),
            strftime(bar_end_at, '%Y-%m-%d %H:%M'), close
        from silver.bar_versions
        where provider = 'alpha_vantage' and provider_symbol = 'AVT' and timeframe = '1d'
        order by session_date
        """,
    )
    assert days == [
        (day, f"{day} 00:00", f"{day} 21:00", 90.25)
        for day in ("2024-02-28", "2024-02-29", "2024-03-01")
    ]


def test_labels_of_pairs_are_utc_also_on_the_sunday_clocks_change(vendors: Warehouse) -> None:
    starts = found(
        vendors,
        """
        select instrument_id, strftime(bar_start_at, '%Y-%m-%d %H:%M'), volume
        from silver.bar_versions
        where
            provider = 'alpha_vantage'
            and (
                (provider_symbol = 'SOL/GBP' and timeframe = '5m')
                or (provider_symbol = 'CHF/SEK' and timeframe = '1h')
            )
        order by bar_start_at
        """,
    )
    assert starts == [
        ("crypto:SOL/GBP", "2026-03-08 06:30", 1200),
        ("fx:CHF/SEK", "2026-03-09 13:00", None),
        ("fx:CHF/SEK", "2026-03-09 14:00", None),
    ]


def test_a_day_of_currencies_is_no_session(vendors: Warehouse) -> None:
    """It ends at midnight UTC, three hours after the session it would be taken for."""
    reasons = found(
        vendors,
        """
        select timeframe, reasons from silver.bars_quarantined
        where provider = 'alpha_vantage' and provider_symbol = 'CHF/SEK'
        """,
    )
    assert reasons == [("1d of UTC", ["unknown_timeframe"])]


def test_a_zone_nobody_knows_is_not_guessed(vendors: Warehouse) -> None:
    reasons = found(
        vendors,
        """
        select reasons from silver.bars_quarantined
        where provider = 'alpha_vantage' and provider_symbol = 'SOL/GBP'
        """,
    )
    assert reasons == [(["unreadable_time"],)]


def test_a_day_of_crypto_counts_a_day_after_its_end(vendors: Warehouse) -> None:
    """It held 3.5 all day; 8 March was whole, but fetched within the day after it."""
    versions = found(
        vendors,
        """
        select cast(session_date as varchar), volume, is_final from silver.bar_versions
        where provider = 'alpha_vantage' and provider_symbol = 'SOL/GBP' and timeframe = '1d'
        order by session_date, _fetched_at
        """,
    )
    assert versions == [
        ("2026-03-08", 1000.25, False),
        ("2026-03-08", 1000.25, True),
        ("2026-03-09", 3.5, False),
        ("2026-03-09", 998.5, True),
    ]
    winners = found(
        vendors,
        """
        select cast(session_date as varchar), volume, is_final from silver.bars
        where instrument_id = 'crypto:SOL/GBP' and timeframe = '1d'
        order by session_date
        """,
    )
    assert winners == [("2026-03-08", 1000.25, True), ("2026-03-09", 998.5, True)]


# -- corporate actions -----------------------------------------------------------------------------


def test_a_fractional_split_is_a_spin_off_and_absent_dates_are_absent(vendors: Warehouse) -> None:
    actions = found(
        vendors,
        """
        select
            action_type, cast(ex_date as varchar), coalesce(split_ratio, price_factor),
            dividend_amount, cast(declared_date as varchar)
        from silver.corporate_actions
        where instrument_id = 'equity:AVT'
        order by ex_date
        """,
    )
    assert actions == [
        ("dividend", "1999-02-08", None, 0.0325, None),
        ("spin_off", "2021-11-04", 1.046, None, None),
        ("dividend", "2024-02-29", None, 1.66, "2024-01-30"),
        ("split", "2024-06-10", 2, None, None),
    ]


def test_an_action_without_a_date_or_an_amount_is_quarantined(vendors: Warehouse) -> None:
    rejected = found(
        vendors,
        """
        select dataset, reasons from silver.reference_quarantined
        where provider = 'alpha_vantage' and provider_symbol = 'AVT'
        order by dataset
        """,
    )
    assert rejected == [("dividends", ["missing_value"]), ("splits", ["missing_value"])]


# -- listings --------------------------------------------------------------------------------------


def test_listings_are_listed_delisted_and_used_again_at_their_dates(vendors: Warehouse) -> None:
    """A ticker that another company uses is another instrument, on one list or in a later one."""
    versions = found(
        vendors,
        """
        select
            instrument_id, provider_symbol, name, status, strftime(valid_from, '%Y-%m-%d'),
            strftime(valid_to, '%Y-%m-%d')
        from silver.int_instruments__versions
        where
            provider = 'alpha_vantage'
            and provider_symbol in ('AVD', 'AVR', 'AVT', 'AVT-B', 'AVU', 'ZAVZT')
        order by instrument_id, valid_from
        """,
    )
    began, forever = "1999-01-04", "9999-12-31"
    assert versions == [
        ("equity:AVD", "AVD", "Delisting Inc", "active", began, "2026-05-29"),
        ("equity:AVD", "AVD", "Delisting Inc", "delisted", "2026-05-29", forever),
        ("equity:AVR", "AVR", "Reused Corp", "active", began, "2026-04-30"),
        ("equity:AVR", "AVR", "Reused Corp", "delisted", "2026-04-30", forever),
        ("equity:AVR~2", "AVR", "Reusing Inc", "active", "2026-06-15", forever),
        ("equity:AVT", "AVT", "Example Tools", "active", began, forever),
        ("equity:AVT.B", "AVT-B", "Example Tools Class B", "active", began, forever),
        ("equity:AVU", "AVU", "Used Before Corp", "active", began, "2010-06-30"),
        ("equity:AVU", "AVU", "Used Before Corp", "delisted", "2010-06-30", forever),
        ("equity:AVU~2", "AVU", "Used Again Inc", "active", "2021-03-01", forever),
        ("equity:ZAVZT", "ZAVZT", None, "active", "2026-01-05", forever),
    ]


def test_a_symbol_means_who_uses_it_then(vendors: Warehouse) -> None:
    """What came before the first list that had it is of the first to use it."""
    uses = found(
        vendors,
        """
        select
            instrument_id, strftime(min(valid_from), '%Y-%m-%d'),
            strftime(max(valid_to), '%Y-%m-%d')
        from silver.int_instruments__symbol_map
        where provider = 'alpha_vantage' and provider_symbol = 'AVU'
        group by instrument_id
        order by instrument_id
        """,
    )
    assert uses == [
        ("equity:AVU", "1970-01-01", "2021-03-01"),
        ("equity:AVU~2", "2021-03-01", "9999-12-31"),
    ]


def test_a_rename_that_another_vendor_sees_is_one(vendors: Warehouse) -> None:
    """ZNEW takes ZOLD's place on a list of tickers; Alpaca has a number that stays."""
    history = found(
        vendors,
        """
        select
            instrument_id, symbol, name, status, provider, strftime(valid_from, '%Y-%m-%d'),
            is_current
        from gold.dim_instruments
        where symbol in ('ZOLD', 'ZNEW')
        order by valid_from
        """,
    )
    renamed, listed = "2026-03-02", "2026-01-05"
    assert history == [
        ("equity:ZOLD", "ZOLD", "ZOLD made up", "active", "alpaca", "1999-01-04", False),
        ("equity:ZOLD", "ZOLD", "Old Name", "active", "alpha_vantage", listed, False),
        ("equity:ZOLD", "ZNEW", "ZNEW made up", "active", "alpaca", renamed, False),
        ("equity:ZOLD", "ZNEW", "New Name", "active", "alpha_vantage", "2026-11-10", True),
    ]


# -- statements ------------------------------------------------------------------------------------


def test_none_is_unknown_and_zero_is_zero(vendors: Warehouse) -> None:
    facts = found(
        vendors,
        """
        select
            statement, vendor_concept, cast(period_end_date as varchar), period_type, value,
            is_zero_unknown
        from silver.fundamentals
        where provider = 'alpha_vantage' and instrument_id = 'equity:AVT'
        order by statement, vendor_concept, period_end_date
        """,
    )
    assert facts == [
        ("balance", "totalAssets", "2025-12-31", "instant", 9000, False),
        ("cash_flow", "operatingCashflow", "2025-12-31", "annual", 700.5, False),
        ("income", "netIncome", "2025-12-31", "annual", 0, False),
        ("income", "totalRevenue", "2025-12-31", "annual", 5000, False),
        ("income", "totalRevenue", "2026-03-31", "quarter", 1300, False),
        ("overview", "Beta", "2026-11-10", "instant", 0.75, False),
        ("overview", "MarketCapitalization", "2026-11-10", "instant", 120000, False),
    ]


def test_what_has_no_date_of_filing_is_known_when_it_was_fetched(vendors: Warehouse) -> None:
    times = found(
        vendors,
        """
        select distinct filed_date, strftime(available_at, '%Y-%m-%d %H:%M')
        from silver.fundamentals
        where provider = 'alpha_vantage' and provider_symbol = 'AVT'
        """,
    )
    assert times == [(None, "2026-11-10 06:00")]


# -- news ------------------------------------------------------------------------------------------


def test_an_article_is_of_the_time_and_the_tickers_it_names(vendors: Warehouse) -> None:
    articles = found(
        vendors,
        """
        select
            article_id, author, strftime(published_at, '%Y-%m-%d %H:%M'), provider_symbols,
            overall_score, overall_label
        from staging.stg_alpha_vantage__news_sentiment
        """,
    )
    assert articles == [
        (
            "https://news.example/tools",
            "A. Writer, B. Editor",
            "2026-03-09 01:30",
            ["AVT", "CRYPTO:AVQ"],
            0.25,
            "Somewhat-Bullish",
        )
    ]


@pytest.mark.parametrize(
    ("symbol", "scores"),
    [
        ("AVT", ("equity:AVT", 0.31, 0.9, "Somewhat-Bullish")),
        ("CRYPTO:AVQ", (None, -0.05, 0.2, "Neutral")),
    ],
)
def test_scores_of_tickers_are_those_the_vendor_gave(
    vendors: Warehouse, symbol: str, scores: tuple[Any, ...]
) -> None:
    given = found(
        vendors,
        f"""
        select instrument_id, score, relevance, label from silver.sentiment_scores
        where provider = 'alpha_vantage' and provider_symbol = '{symbol}'
        """,
    )
    assert given == [scores]


def test_scores_are_numbers_in_the_text_the_vendor_sent(vendors: Warehouse) -> None:
    ((sent,),) = found(
        vendors, "select symbol_scores from staging.stg_alpha_vantage__news_sentiment"
    )
    assert json.loads(sent)[0] == {
        "symbol": "AVT",
        "score": "0.31",
        "relevance": "0.9",
        "label": "Somewhat-Bullish",
    }
