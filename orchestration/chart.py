"""A page with the chart of one series: its candles, indicators and regimes, as they are published.

Not for numbers of its own: what is drawn is in `silver.market_data_enriched`; only share units of
before a split are converted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ingest.provider import TIMEFRAMES

if TYPE_CHECKING:  # slow to import, and every command would wait for it
    import plotly.graph_objects as go

Columns = dict[str, list[Any]]
"""Bars, oldest first, by column; NULL is None."""

PRICES = (
    "open", "high", "low", "close",
    "bollinger_upper_20_2", "bollinger_middle_20_2", "bollinger_lower_20_2", "sma_50", "sma_200",
    "macd_12_26_9", "macd_signal_12_26_9", "macd_histogram_12_26_9",
)  # fmt: skip
"""What is in units of the price, which a split divides."""
COLUMNS = (
    "bar_start_at", "session_date", *PRICES, "volume", "rsi_14", "regime", "split_factor",
)  # fmt: skip
BARS = f"""
    select {", ".join(COLUMNS)}
    from silver.market_data_enriched
    where instrument_id = $instrument_id and timeframe = $timeframe
    qualify row_number() over (order by bar_start_at desc) <= $count
    order by bar_start_at
"""
TIMEFRAMES_OF = """
    select distinct timeframe from silver.market_data_enriched where instrument_id = $instrument_id
"""
INSTRUMENTS = """
    with instruments as (
        select
            instrument_id,
            max_by(symbol, valid_from) as symbol,
            max_by(name, valid_from) as name,
            list(symbol) as symbols
        from gold.dim_instruments
        group by instrument_id
    )
    select instrument_id, symbol, name
    from instruments
    where $wanted = instrument_id or list_contains(symbols, $wanted)
    qualify dense_rank() over (
        order by case $wanted when instrument_id then 0 when symbol then 1 else 2 end
    ) = 1
    order by instrument_id
"""
"""An id comes first, then who has the symbol now, then who once had it."""
SYMBOLS = """
    select distinct symbol
    from gold.dim_instruments
    where is_current and instrument_id in (select instrument_id from silver.market_data_enriched)
    order by symbol
"""
SYMBOLS_NAMED = 20

UP, DOWN = "#26a69a", "#ef5350"
REGIME_COLOURS = {"trend_up": UP, "trend_down": DOWN, "range": "#5c7cfa", "volatile": "#f59f00"}
GREY, PALE, BLUE, PURPLE, ORANGE = "#868e96", "#adb5bd", "#1971c2", "#9c36b5", "#e8590c"
PANES = {"y": (0.46, 1.0), "y2": (0.34, 0.44), "y3": (0.18, 0.32), "y4": (0.0, 0.16)}
"""Price, volume, RSI and MACD, from the top down, as shares of the height."""
BARS_DRAWN = (
    ("volume", "volume", "y2"),
    ("macd_histogram_12_26_9", "MACD histogram", "y4"),
)
LINES_DRAWN = (
    ("bollinger_upper_20_2", "Bollinger upper 20, 2", "y", GREY, "dot"),
    ("bollinger_middle_20_2", "Bollinger middle 20, 2", "y", PALE, "dot"),
    ("bollinger_lower_20_2", "Bollinger lower 20, 2", "y", GREY, "dot"),
    ("sma_50", "SMA 50", "y", BLUE, "solid"),
    ("sma_200", "SMA 200", "y", PURPLE, "solid"),
    ("rsi_14", "RSI 14", "y3", BLUE, "solid"),
    ("macd_12_26_9", "MACD 12, 26", "y4", BLUE, "solid"),
    ("macd_signal_12_26_9", "MACD signal 9", "y4", ORANGE, "solid"),
)

CONFIG = {
    "displaylogo": False,
    "scrollZoom": True,
    "showSendToCloud": False,  # plotly.js 4 has a button that uploads the data unless told not to
}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""Lets the page run what is in it and keeps it from asking anybody for anything."""


class ChartError(RuntimeError):
    """There is nothing to draw; the message says what there is."""


@dataclass(frozen=True)
class Series:
    """The bars of one instrument and timeframe."""

    instrument_id: str
    symbol: str
    name: str | None
    timeframe: str

    @property
    def title(self) -> str:
        """Return what a reader calls it: plain text, partly a vendor's."""
        return " · ".join(part for part in (self.symbol, self.name, self.timeframe) if part)

    @property
    def file_name(self) -> str:
        """Return the name of its page."""
        return f"{self.symbol.replace('/', '-')}-{self.timeframe}.html"


def write_chart(
    database: Path, symbol: str, timeframe: str, *, count: int, target: Path | None = None
) -> Path:
    """Write the page of the last `count` bars of a published file and return its path.

    Args:
        database: the resolved file of a version; it is only read.
        symbol: an instrument's id or canonical symbol.
        timeframe: length of the bars.
        count: how many bars to show at most.
        target: where the page goes; by default to a file in the working folder named by the series.

    Raises:
        ChartError: the series is not there, or the page cannot be written.
    """
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            series = _find(connection, symbol, timeframe)
            bars = _read(connection, series, count)
    except duckdb.CatalogException as error:
        raise ChartError(
            f"version {database.stem} has no indicators: run `tapehouse build`, then"
            " `tapehouse publish`"
        ) from error
    path = target or Path(series.file_name)
    try:
        path.write_text(page(series.title, draw(series, bars)), encoding="utf-8")
    except OSError as error:
        raise ChartError(f"cannot write {path}: {error.strerror}") from error
    return path


def draw(series: Series, bars: Columns) -> "go.Figure":
    """Return the figure of bars as they are in the warehouse, each in the share units of its day.

    Bars follow one another without holes for nights and weekends: the axis counts bars, not hours.
    """
    import plotly.graph_objects as go  # noqa: PLC0415 - see above

    shown = in_last_shares(bars)
    times = _labels(series.timeframe, bars)
    figure = go.Figure(layout=_layout(series, bars, times))
    figure.add_candlestick(
        x=times,
        **{name: shown[name] for name in ("open", "high", "low", "close")},
        increasing_line_color=UP,
        decreasing_line_color=DOWN,
        name="price",
    )
    for column, name, axis in BARS_DRAWN:
        figure.add_bar(x=times, y=shown[column], name=name, yaxis=axis, marker_color=PALE)
    for column, name, axis, colour, dash in LINES_DRAWN:
        figure.add_scatter(
            x=times,
            y=shown[column],
            name=name,
            yaxis=axis,
            mode="lines",
            line={"color": colour, "width": 1, "dash": dash},
        )
    return figure


def page(title: str, figure: "go.Figure") -> str:
    """Return a figure as a page that holds all it needs, the drawing library included."""
    body = figure.to_html(config=CONFIG, full_html=False, div_id="chart")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>html, body {{ height: 100%; margin: 0 }}</style>
</head>
<body>{body}</body>
</html>
"""


def in_last_shares(bars: Columns) -> Columns:
    """Return the bars in the share units of the last one: a split is no gap."""
    factors = bars["split_factor"]
    prices = [factor / factors[-1] for factor in factors]
    volumes = [factors[-1] / factor for factor in factors]
    return {
        **bars,
        **{name: _scaled(bars[name], prices) for name in PRICES},
        "volume": _scaled(bars["volume"], volumes),
    }


def regime_runs(regimes: Sequence[str | None]) -> Iterator[tuple[str, int, int]]:
    """Yield each run of bars in the same regime, with the numbers of its first and last bar."""
    first = 0
    for regime, run in groupby(regimes):
        length = len(list(run))
        if regime is not None:
            yield regime, first, first + length - 1
        first += length


def _scaled(values: Sequence[float | None], factors: Sequence[float]) -> list[float | None]:
    return [
        None if value is None else value * factor
        for value, factor in zip(values, factors, strict=True)
    ]


def _labels(timeframe: str, bars: Columns) -> list[str]:
    if timeframe == "1d":
        return [day.isoformat() for day in bars["session_date"]]
    return [f"{start:%Y-%m-%d %H:%M}" for start in bars["bar_start_at"]]


def _layout(series: Series, bars: Columns, times: Sequence[str]) -> dict[str, Any]:
    titles = dict(zip(PANES, ("price", "volume", "RSI", "MACD"), strict=True))
    axes = {
        axis.replace("y", "yaxis"): {"domain": PANES[axis], "title": {"text": titles[axis]}}
        for axis in PANES
    }
    axes["yaxis"]["hoverformat"] = axes["yaxis4"]["hoverformat"] = ".8~g"
    axes["yaxis3"] |= {"range": (0, 100), "tickvals": (30, 70), "ticktext": ("30", "70")}
    return {
        # The drawing library reads markup in titles.
        "title": {
            "text": escape(series.title),
            "subtitle": {"text": escape(_subtitle(series, bars, times))},
        },
        "template": "plotly_white",
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "dragmode": "pan",
        "bargap": 0.2,
        "xaxis": {
            "type": "category",
            "anchor": "y4",
            "nticks": 12,
            "tickangle": 0,
            "rangeslider": {"visible": False},
        },
        **axes,
        "shapes": [*_shading(bars["regime"]), _level(30), _level(70)],
    }


def _subtitle(series: Series, bars: Columns, times: Sequence[str]) -> str:
    zone = "" if series.timeframe == "1d" else " UTC"
    notes = [f"{len(times):,} bars, {times[0]} to {times[-1]}{zone}"]
    if len(set(bars["split_factor"])) > 1:
        notes.append("split-adjusted: prices and volumes in shares of the last bar")
    return "; ".join(notes)


def _shading(regimes: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    """Yield a background for each run of a regime; one of each regime is in the legend."""
    named: set[str] = set()
    for regime, first, last in regime_runs(regimes):
        yield {
            "type": "rect",
            "layer": "below",
            "yref": "paper",
            "x0": first - 0.5,
            "x1": last + 0.5,
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": REGIME_COLOURS.get(regime, GREY),
            "opacity": 0.15,
            "name": regime.replace("_", " "),
            "legendgroup": regime,
            "showlegend": regime not in named,
        }
        named.add(regime)


def _level(value: float) -> dict[str, Any]:
    """Return a line across the pane of the RSI."""
    return {
        "type": "line",
        "xref": "paper",
        "yref": "y3",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }


def _find(connection: duckdb.DuckDBPyConnection, wanted: str, timeframe: str) -> Series:
    found = connection.execute(INSTRUMENTS, {"wanted": wanted}).fetchall()
    if not found:
        symbols = [symbol for (symbol,) in connection.execute(SYMBOLS).fetchall()]
        more = len(symbols) - SYMBOLS_NAMED
        raise ChartError(
            f"there is no symbol {wanted!r}; there are: {_listed(symbols[:SYMBOLS_NAMED])}"
            + (f" and {more:,} more" if more > 0 else "")
        )
    if len(found) > 1:
        raise ChartError(
            f"{wanted!r} is more than one instrument; name one of:"
            f" {_listed(instrument_id for instrument_id, *_ in found)}"
        )
    ((instrument_id, symbol, name),) = found
    return Series(instrument_id, symbol, name, timeframe)


def _read(connection: duckdb.DuckDBPyConnection, series: Series, count: int) -> Columns:
    own = {"instrument_id": series.instrument_id}
    rows = connection.execute(
        BARS, {**own, "timeframe": series.timeframe, "count": count}
    ).fetchall()
    if not rows:
        there = {name for (name,) in connection.execute(TIMEFRAMES_OF, own).fetchall()}
        raise ChartError(
            f"{series.symbol} has no {series.timeframe!r} bars; there are:"
            f" {_listed(name for name in TIMEFRAMES if name in there)}"
        )
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def _listed(names: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(names) or "none"
