"""The research models alone, on tables made by hand; and a lake in which they find something.

Alone: no lake, no staging, only the columns that they read.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingest.clock import iso, parse_iso
from tests.dbt.fundamentals import balance, fact
from tests.dbt.landing import DAY, Landing, bars, inbox_bars
from tests.dbt.news import article
from tests.dbt.warehouse import PROJECT, WITHOUT_TESTS, Warehouse, connect, rows

Row = Sequence[Any]

SEEDS = ("accounts", "asset_classes", "timeframes", "precedence")
UPSTREAM: Mapping[str, Mapping[str, pa.DataType]] = {
    "silver.fundamentals": {
        "instrument_id": pa.string(),
        "provider": pa.string(),
        "provider_precedence": pa.int32(),
        "concept": pa.string(),
        "vendor_concept": pa.string(),
        "unit": pa.string(),
        "period_type": pa.string(),
        "period_start_date": pa.date32(),
        "period_end_date": pa.date32(),
        "fiscal_period": pa.string(),
        "filing_id": pa.string(),
        "filed_date": pa.date32(),
        "version_no": pa.int64(),
        "value": pa.float64(),
        "available_at": pa.timestamp("us"),
        "is_primary": pa.bool_(),
        "_fetched_at": pa.timestamp("us"),
    },
    "silver.adjustment_factors": {
        "instrument_id": pa.string(),
        "valid_from": pa.date32(),
        "split_factor": pa.float64(),
    },
    "silver.int_bars__known": {
        "instrument_id": pa.string(),
        "timeframe": pa.string(),
        "session_date": pa.date32(),
        "close": pa.float64(),
        "known_from": pa.timestamp("us"),
        "known_to": pa.timestamp("us"),
    },
    "silver.market_data_enriched": {
        "instrument_id": pa.string(),
        "asset_class": pa.string(),
        "timeframe": pa.string(),
        "bar_start_at": pa.timestamp("us"),
        "bar_end_at": pa.timestamp("us"),
        "close": pa.float64(),
        "split_factor": pa.float64(),
        "regime": pa.string(),
        "regime_started_at": pa.timestamp("us"),
        "bars_in_regime": pa.int64(),
    },
    "silver.trade_lifecycle": {
        "lot_id": pa.string(),
        "account_id": pa.string(),
        "instrument_id": pa.string(),
        "symbol": pa.string(),
        "status": pa.string(),
        "opened_at": pa.timestamp("us"),
        "base_currency": pa.string(),
        "net_pnl_base": pa.decimal128(38, 12),
    },
    "silver.sentiment_scores": {
        "document_type": pa.string(),
        "provider": pa.string(),
        "document_id": pa.string(),
        "version_no": pa.int32(),
        "instrument_id": pa.string(),
        "score": pa.float64(),
        "available_at": pa.timestamp("us"),
        "superseded_at": pa.timestamp("us"),
    },
    "silver.int_bars__session_volatility": {
        "instrument_id": pa.string(),
        "session_date": pa.date32(),
        "volatility_method": pa.string(),
        "realized_variance": pa.float64(),
        "available_at": pa.timestamp("us"),
    },
    "staging.int_signals__restarts": {
        "series_no": pa.int64(),
        "instrument_id": pa.string(),
        "timeframe": pa.string(),
        "restart_at": pa.timestamp("us"),
        "batch_no": pa.int64(),
    },
    "staging.int_features__observations": {
        "instrument_id": pa.string(),
        "session_date": pa.date32(),
        "timeframe": pa.string(),
        "observed_at": pa.timestamp("us"),
    },
    "gold.dim_instruments": {
        "instrument_key": pa.string(),
        "currency": pa.string(),
    },
    "gold.dim_sessions": {
        "session_key": pa.string(),
        "calendar": pa.string(),
        "session_date": pa.date32(),
        "open_at": pa.timestamp("us"),
        "close_at": pa.timestamp("us"),
        "previous_session_date": pa.date32(),
        "next_session_date": pa.date32(),
    },
    "gold.fct_daily_bars": {
        "instrument_key": pa.string(),
        "session_key": pa.string(),
        "instrument_id": pa.string(),
        "session_date": pa.date32(),
        "high": pa.float64(),
        "low": pa.float64(),
        "close": pa.float64(),
        "split_factor": pa.float64(),
        "price_return": pa.float64(),
        "bar_end_at": pa.timestamp("us"),
        "available_at": pa.timestamp("us"),
    },
}
"""What the models read of each table, and no more."""


class Research:
    """A database with tables made by hand, and dbt to compute the marts from them."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder)
        self.warehouse.data.mkdir(parents=True)
        with closing(connect(self.warehouse.database, read_only=False)) as connection:
            for schema in ("silver", "gold", "staging", "ops", "rules"):
                connection.execute(f"create schema {schema}")
            for seed in SEEDS:
                path = PROJECT / "seeds" / f"{seed}.csv"
                connection.execute(f"create table rules.{seed} as from '{path}'")

    def set(self, table: str, given: Sequence[Row]) -> None:
        """Replace a table; the values of a row are in the order of `UPSTREAM`."""
        schema = pa.schema(UPSTREAM[table].items())
        columns = list(zip(*given, strict=True)) or [()] * len(schema)
        arrays = [
            pa.array(column, field.type, from_pandas=True)
            for column, field in zip(columns, schema, strict=True)
        ]
        with closing(connect(self.warehouse.database, read_only=False)) as connection:
            connection.register("given", pa.Table.from_arrays(arrays, schema=schema))
            connection.execute(f"create or replace table {table} as from given")

    def compute(self, *models: str, **variables: float) -> None:
        """Run models, in the order in which they read one another."""
        arguments = ["--vars", str(variables)] if variables else []
        self.warehouse.build("--select", *models, *WITHOUT_TESTS, *arguments)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.warehouse.database, query)


MOOD_DAYS = 90
MOOD_START = "2023-10-01T00:00Z"
EXTREMES = {55: "-0.9", 70: "0.9"}


def land_moods(lake: Landing) -> None:
    """Land a coin with an article a day, of which two are extreme after quiet weeks."""
    start = parse_iso(MOOD_START)
    asked = (MOOD_START, iso(start + MOOD_DAYS * DAY))
    daily = inbox_bars("crypto", "MOOD/USD", "1d", bars(MOOD_START, MOOD_DAYS, DAY))
    lake.land(
        "inbox",
        "bars",
        daily,
        fetched="2024-01-21T00:00Z",
        symbol="crypto:MOOD/USD",
        timeframe="1d",
        asked=asked,
    )
    noons = [iso(start + number * DAY + timedelta(hours=12)) for number in range(MOOD_DAYS)]
    said = [
        article(
            f"mood-{number}",
            "A day like any other",
            summary="It was.",
            asset_class="crypto",
            symbols=json.dumps(["MOOD/USD"]),
            published_at=noon,
            updated_at=noon,
            sentiment_score=EXTREMES.get(number, f"{number % 4 / 10}"),
        )
        for number, noon in enumerate(noons)
    ]
    lake.land("inbox", "news_articles", said, fetched="2024-01-23T00:00Z")


def figures(symbol: str, year: int) -> list[dict[str, str]]:
    """Return a year's figures of a company, filed in February of the next."""
    of_year = {
        "symbol": symbol,
        "period_end_date": f"{year}-12-31",
        "filed_at": f"{year + 1}-02-20",
        "form": "10-K",
        "filing_id": f"{symbol} {year}",
    }
    flows = {**of_year, "period_start_date": f"{year}-01-01"}
    return [
        fact("revenue", "1000", **flows),
        fact("gross_profit", "400", **flows),
        fact("operating_income", "200", **flows),
        fact("net_income", "150", **flows),
        fact("eps_diluted", "1.5", **flows, unit="USD/shares"),
        fact("operating_cash_flow", "180", **flows, statement="cash_flow"),
        fact("capital_expenditure", "80", **flows, statement="cash_flow"),
        fact("depreciation_and_amortization", "50", **flows, statement="cash_flow"),
        balance("total_assets", "2000", **of_year),
        balance("current_assets", "500", **of_year),
        balance("total_liabilities", "1200", **of_year),
        balance("current_liabilities", "250", **of_year),
        balance("total_equity", "800", **of_year),
        balance("total_debt", "400", **of_year),
        balance("cash", "100", **of_year),
        balance("shares_outstanding", "100", **of_year, unit="shares"),
    ]


def land_figures(lake: Landing, symbol: str, year: int) -> None:
    lake.land("inbox", "fundamentals", figures(symbol, year), fetched="2024-02-01T00:00Z")
