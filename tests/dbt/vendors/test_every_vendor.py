"""What holds of the records of every vendor."""

from ingest.providers import VENDORS
from tests.dbt.warehouse import Warehouse, rows


def test_every_record_is_accepted_or_quarantined(vendors: Warehouse) -> None:
    balance = rows(
        vendors.database,
        """
        select provider, dataset, bool_and(is_balanced), sum(landed_count) > 0
        from ops.record_balance
        group by all
        """,
    )
    assert {record[:2] for record in balance} >= {
        (vendor.name, dataset) for vendor in VENDORS for dataset in vendor.datasets
    }
    assert [record for record in balance if not all(record)] == []
