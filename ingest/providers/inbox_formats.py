"""What may be dropped into the inbox: one format per folder, in canonical names and symbols.

Columns are the same for CSV, JSON lines and Parquet. Formats with a contract (a user's own trading
records) are checked row by row before they land; market data lands as it is and is judged in SQL.
Not for reading files: that is `ingest.files`, and landing them is `ingest.providers.inbox`.
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel

from ingest.contracts.trading import CashMovement, Decision, Execution
from ingest.provider import TIMEFRAMES, Dataset, fields


def _dataset(name: str, required: str, optional: str = "") -> Dataset:
    """Return a dataset from its column names, the optional ones last."""
    return Dataset(
        name,
        fields(*required.split(), *optional.split()),
        kind="extract",
        optional_columns=frozenset(optional.split()),
    )


DATASETS: Mapping[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        replace(
            _dataset(
                "bars",
                "asset_class symbol timeframe bar_start_at open high low close volume",
                "adj_close vwap trade_count",
            ),
            kind="range",
            timeframes=tuple(TIMEFRAMES),
        ),
        _dataset(
            "instruments",
            "listing_id asset_class symbol name exchange currency status",
            "effective_date",
        ),
        _dataset(
            "corporate_actions",
            "asset_class symbol action_type ex_date ratio amount currency",
            "new_symbol",
        ),
        _dataset(
            "fundamentals",
            "asset_class symbol statement concept period_start_date period_end_date fiscal_period"
            " value unit filed_at",
            "form filing_id",
        ),
        _dataset(
            "news_articles",
            "article_id published_at headline url source asset_class symbols",
            "updated_at summary content author sentiment_score",
        ),
        _dataset(
            "social_posts",
            "post_id created_at community title text author score comment_count",
            "fetched_at url asset_class symbols",
        ),
        _dataset(
            "decisions",
            "decision_id decided_at symbol asset_class timeframe action confidence position_size"
            " method provider_votes",
            "account_id strategy reasoning",
        ),
        _dataset(
            "executions",
            "execution_id order_id account_id executed_at symbol asset_class side quantity price"
            " quote_currency fee fee_currency venue",
            "decision_id strategy",
        ),
        _dataset("cash_movements", "movement_id account_id moved_at currency amount kind"),
    )
}

CONTRACTS: Mapping[str, type[BaseModel]] = {
    "decisions": Decision,
    "executions": Execution,
    "cash_movements": CashMovement,
}
