"""Where enriched rows lie in their table: what makes the usual questions read few row groups."""

from contextlib import closing
from pathlib import Path

from tests.dbt.signals import Signals, random_walk
from tests.dbt.warehouse import connect


def test_rows_lie_in_slices_of_time_newest_first(tmp_path: Path) -> None:
    signals = Signals(tmp_path)
    signals.set_bars(
        {
            f"crypto:{name}": random_walk(600, place, timeframe="1m")
            for place, name in enumerate("CAB")
        }
    )
    signals.compute()
    with closing(connect(signals.database)) as connection:
        lying = connection.execute(
            "select instrument_id, bar_start_at from silver.market_data_enriched order by rowid"
        ).fetchall()
        expected = connection.execute(
            "select instrument_id, bar_start_at from silver.market_data_enriched order by"
            " time_bucket(interval 256 minutes, bar_start_at) desc, instrument_id,"
            " bar_start_at desc"
        ).fetchall()
    assert len(lying) == 1800
    assert lying == expected
