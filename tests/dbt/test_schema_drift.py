"""What vendors send differently than before is told, with the batch that first shows it."""

from tests.dbt.warehouse import Warehouse, rows


def test_changes_are_told_with_the_batch_that_first_shows_them(demo: Warehouse) -> None:
    changes = rows(
        demo.database,
        "select provider, dataset, field, change, detail, first_seen_at::varchar,"
        " first_batch_id in (select batch_id from ops.load_batches) from ops.schema_drift"
        " order by all",
    )
    undeclared = "is sent but not declared; its values are kept in _extra"
    no_value = "has no value in the latest batch, but had before"
    to_text, to_numbers = "numbers before, text now", "text before, numbers now"
    numbers_only = ("inbox", "news_articles", "sentiment_score", "retyped", to_numbers)
    second_extract = "2024-01-09 00:00:00"
    assert changes == [
        ("coinbase", "bars", "6", "new", undeclared, "2024-01-08 00:59:30", True),
        ("coinbase", "products", "min_market_funds", "retyped", to_text, second_extract, True),
        ("coinbase", "products", "quote_increment", "retyped", to_numbers, second_extract, True),
        ("inbox", "bars", "vwap", "vanished", no_value, "2024-01-21 00:00:00", True),
        ("inbox", "cash_movements", "amount", "retyped", to_numbers, "2024-02-01 00:00:19", True),
        (*numbers_only, "2024-01-22 00:00:00", True),
    ]
