"""The bundled sample: real daily prices of five US stocks, 2000 to 2013, with their listings.

Source: `data/sample/README.md`. The whole bundle is landed as it is, by provider symbol; a request
selects a symbol and a date range from it. Static: it is never refreshed.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ingest.clock import Clock, utc_now
from ingest.provider import Answer, Dataset, Request, TerminalError, fields
from ingest.settings import PROJECT_ROOT

START, END = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
FILES = {
    "bars": "wiki_prices.csv.gz",
    "instruments": "instruments.csv",
    "corporate_actions": "corporate_actions.csv",
}


class Sample:
    """Real prices from files that come with the project."""

    name = "sample"
    datasets: Mapping[str, Dataset] = {
        "bars": Dataset(
            "bars",
            fields(
                ticker="Ticker",
                date="Date",
                open="Open",
                high="High",
                low="Low",
                close="Close",
                volume="Volume",
                adj_close="Adj Close",
            ),
            timeframes=("1d",),
        ),
        "instruments": Dataset(
            "instruments",
            fields(
                "listing_id",
                "asset_class",
                "symbol",
                "name",
                "exchange",
                "currency",
                "status",
                "effective_date",
            ),
            kind="extract",
        ),
        "corporate_actions": Dataset(
            "corporate_actions",
            fields("symbol", "action_type", "ex_date", "ratio", "amount", "currency"),
            kind="extract",
        ),
    }

    def __init__(self, clock: Clock = utc_now, folder: Path = PROJECT_ROOT / "data/sample") -> None:
        self._clock = clock
        self._folder = folder
        self._tables: dict[str, pa.Table] = {}

    def default_request(self, dataset: str) -> Iterable[Request]:
        """Ask for everything in the bundle."""
        if self.datasets[dataset].kind == "extract":
            return [Request(dataset)]
        return [Request(dataset, symbol, "1d", START, END) for symbol in SYMBOLS]

    def spell(self, symbol: str, asset_class: str) -> str:
        """Return a symbol as it is."""
        del asset_class
        return symbol

    def split(self, request: Request) -> Iterable[Request]:
        """Keep requests whole: files have no row limit."""
        return [request]

    async def fetch(self, request: Request) -> Answer:
        """Read the rows a request names from the bundled file.

        Raises:
            TerminalError: the file is missing or the symbol is not in it.
        """
        table = self._read(FILES[request.dataset])
        if request.symbol is not None:
            table = table.filter(pc.equal(table["Ticker"], request.symbol))
            if table.num_rows == 0:
                raise TerminalError(
                    f"the sample has no symbol {request.symbol!r}; it has {', '.join(SYMBOLS)}"
                )
        if request.start and request.end:
            first, end = request.start.date().isoformat(), request.end.date().isoformat()
            within = pc.and_(pc.greater_equal(table["Date"], first), pc.less(table["Date"], end))
            table = table.filter(within)
        return Answer(request, self._clock(), table)

    async def close(self) -> None:
        """Do nothing: no connection is held."""

    def _read(self, name: str) -> pa.Table:
        if name in self._tables:
            return self._tables[name]
        path = self._folder / name
        if not path.exists():
            raise TerminalError(f"{path} is missing; it comes with the repository: restore it")
        header = pa_csv.open_csv(path).schema.names
        as_text = pa_csv.ConvertOptions(
            column_types={column: pa.string() for column in header},
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        )
        return self._tables.setdefault(name, pa_csv.read_csv(path, convert_options=as_text))
