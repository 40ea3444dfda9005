"""`tapehouse chart`: what is drawn, that the page stands alone, and what it says when it cannot."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.settings import DataDir
from orchestration import publication
from orchestration.chart import COLUMNS, PRICES, regime_runs
from tests.orchestration import test_cli
from tests.orchestration.test_cli import FAILED, FINE, USAGE, Run

run, data = test_cli.run, test_cli.data

HOSTILE = "Apple</title><script>alert('1')</script><img src=http://evil.example/> & <b>Co</b>"
INSTRUMENTS = (
    # instrument_id, symbol, name, valid_from, is_current
    ("equity:AAPL", "AAPL", HOSTILE, "2000-01-01", True),
    ("crypto:BTC/USD", "BTC/USD", None, "2000-01-01", True),
    ("equity:FB", "FB", "Facebook", "2000-01-01", False),
    ("equity:FB", "META", "Meta Platforms", "2022-06-09", True),
    ("equity:TWO", "TWO", "Two Harbors", "2000-01-01", True),
    ("crypto:TWO", "TWO", "Two Coin", "2000-01-01", True),
    ("equity:FORMER", "NOW", None, "2020-01-01", True),
    ("equity:FORMER", "META", None, "2000-01-01", False),
    ("equity:LISTED", "LISTED", "Listed, without a bar", "2000-01-01", True),
)
DAYS = [date(2014, 6, day) for day in (3, 4, 5, 6, 9, 10)]
"""A weekend before the fifth; seven shares for one on it."""
APPLE: dict[str, list[Any]] = {
    "open": [630.0, 637.0, 644.0, 651.0, 94.0, 95.0],
    "high": [637.0, 644.0, 651.0, 658.0, 95.0, 96.0],
    "low": [623.0, 630.0, 637.0, 644.0, 93.0, 94.0],
    "close": [637.0, 644.0, 651.0, 644.0, 94.5, 95.5],
    "volume": [10.0, 20.0, None, 30.0, 280.0, 350.0],
    "bollinger_upper_20_2": [None, 700.0, 700.0, 700.0, 101.0, 102.0],
    "macd_12_26_9": [None, 7.0, 7.0, 14.0, 3.0, 4.0],
    "macd_histogram_12_26_9": [None, None, 0.7, -0.7, 0.2, -0.2],
    "rsi_14": [None, 40.0, 50.0, 60.0, 70.0, 80.0],
    "regime": [None, "range", "range", "trend_up", "trend_up", "range"],
    "split_factor": [1.0, 1.0, 1.0, 1.0, 7.0, 7.0],
}


def bars(
    instrument_id: str, timeframe: str, starts: Iterable[datetime], **columns: list[Any]
) -> Iterator[tuple[object, ...]]:
    """Yield rows of `silver.market_data_enriched`: what is not given is plain."""
    plain = dict.fromkeys(PRICES, 10.0) | {
        "volume": 1.0, "rsi_14": 50.0, "regime": "range", "split_factor": 1.0,
    }  # fmt: skip
    for number, start in enumerate(starts):
        given = {name: values[number] for name, values in columns.items()}
        row = {**plain, "bar_start_at": start, "session_date": start.date(), **given}
        yield (instrument_id, timeframe, *(row[name] for name in COLUMNS))


@pytest.fixture
def chart(run: Run, data: DataDir) -> Run:
    """Return the command, with a hand-made warehouse published."""
    opens = [datetime.combine(day, time(13, 30)) for day in DAYS]
    midnight = datetime.combine(date(2024, 1, 9), time())
    minutes = [midnight + timedelta(minutes=minute) for minute in (-2, -1, 0, 1)]
    rows = [
        *bars("equity:AAPL", "1d", opens, **APPLE),
        *bars("crypto:BTC/USD", "1m", minutes),
        *bars("crypto:BTC/USD", "1h", [midnight]),
        *bars("equity:FB", "1d", opens),
    ]
    types = {"bar_start_at": "timestamp", "session_date": "date"}
    kinds = [f"{name} {types.get(name, 'double')}" for name in COLUMNS if name != "regime"]
    data.candidate.parent.mkdir(parents=True)
    with duckdb.connect(str(data.candidate)) as connection:
        connection.execute("create schema silver")
        connection.execute("create schema gold")
        connection.execute(
            "create table silver.market_data_enriched"
            f" (instrument_id varchar, timeframe varchar, {', '.join(kinds)}, regime varchar)"
        )
        marks = ", ".join("?" for _ in rows[0])
        connection.executemany(
            "insert into silver.market_data_enriched"
            f" (instrument_id, timeframe, {', '.join(COLUMNS)}) values ({marks})",
            # Read back in order of time, however they lie.
            reversed(rows),
        )
        connection.execute(
            "create table gold.dim_instruments (instrument_id varchar, symbol varchar,"
            " name varchar, valid_from timestamp, is_current boolean)"
        )
        connection.executemany(
            "insert into gold.dim_instruments values (?, ?, ?, ?, ?)", INSTRUMENTS
        )
    publication.publish_file(data, data.candidate, "v1", keep=3)
    return partial(run, "chart")


class Page(HTMLParser):
    """The elements of a page, and the figure its script draws."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        traces, self.layout, self.config = self._drawn()
        self.traces = {trace["name"]: trace for trace in traces}

    def _drawn(self) -> Iterator[Any]:
        """Yield what the script hands to the library, after the element it draws in."""
        rest = self.text.rpartition("Plotly.newPlot(")[2].partition(",")[2]
        while not rest.lstrip().startswith(")"):
            argument, end = json.JSONDecoder().raw_decode(rest.lstrip(" ,"))
            yield argument
            rest = rest.lstrip(" ,")[end:]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def heading(self) -> str:
        return str(self.layout["title"]["text"])

    @property
    def subtitle(self) -> str:
        return str(self.layout["title"]["subtitle"]["text"])

    @property
    def shading(self) -> list[tuple[str, float, float, bool]]:
        """Return the name, both ends and presence in the legend of each background."""
        return [
            (shape["name"], shape["x0"], shape["x1"], shape["showlegend"])
            for shape in self.layout["shapes"]
            if shape["type"] == "rect"
        ]


@pytest.fixture
def apple(chart: Run) -> Page:
    shown = chart("AAPL")
    assert (shown.code, shown.text) == (FINE, "AAPL-1d.html")
    return Page(Path("AAPL-1d.html"))


# -- what is drawn -------------------------------------------------------------------------------


def test_a_split_is_no_gap_and_the_newest_prices_are_as_traded(apple: Page) -> None:
    price = apple.traces["price"]
    assert price["type"] == "candlestick"
    assert price["open"] == pytest.approx([90, 91, 92, 93, 94, 95])
    assert price["high"] == pytest.approx([91, 92, 93, 94, 95, 96])
    assert price["low"] == pytest.approx([89, 90, 91, 92, 93, 94])
    assert price["close"] == pytest.approx([91, 92, 93, 92, 94.5, 95.5])
    assert apple.traces["volume"]["y"] == pytest.approx([70, 140, None, 210, 280, 350])
    upper = apple.traces["Bollinger upper 20, 2"]["y"]
    assert upper == pytest.approx([None, 100, 100, 100, 101, 102])
    assert apple.traces["MACD 12, 26"]["y"] == pytest.approx([None, 1, 1, 2, 3, 4])
    histogram = apple.traces["MACD histogram"]["y"]
    assert histogram == pytest.approx([None, None, 0.1, -0.1, 0.2, -0.2])
    assert apple.traces["RSI 14"]["y"] == [None, 40, 50, 60, 70, 80]
    assert "; split-adjusted: prices and volumes in shares of the last bar" in apple.subtitle


def test_the_axis_counts_bars_so_a_weekend_is_no_hole(apple: Page) -> None:
    assert apple.layout["xaxis"]["type"] == "category"
    assert all(trace["x"] == [f"{day}" for day in DAYS] for trace in apple.traces.values())


def test_every_run_of_a_regime_is_shaded_and_each_regime_named_once(apple: Page) -> None:
    assert apple.shading == [
        ("range", 0.5, 2.5, True),
        ("trend up", 2.5, 4.5, True),
        ("range", 4.5, 5.5, False),
    ]


@pytest.mark.parametrize(
    ("regimes", "runs"),
    [
        ([], []),
        ([None, None], []),
        (["range"], [("range", 0, 0)]),
        (["range", None, "range", "range"], [("range", 0, 0), ("range", 2, 3)]),
        (["volatile", "range"], [("volatile", 0, 0), ("range", 1, 1)]),
    ],
)
def test_regime_runs(regimes: list[str | None], runs: list[tuple[str, int, int]]) -> None:
    assert list(regime_runs(regimes)) == runs


def test_each_indicator_is_in_its_pane(apple: Page) -> None:
    panes = {name: trace.get("yaxis", "y") for name, trace in apple.traces.items()}
    assert panes == {
        "price": "y",
        "Bollinger upper 20, 2": "y",
        "Bollinger middle 20, 2": "y",
        "Bollinger lower 20, 2": "y",
        "SMA 50": "y",
        "SMA 200": "y",
        "volume": "y2",
        "RSI 14": "y3",
        "MACD histogram": "y4",
        "MACD 12, 26": "y4",
        "MACD signal 9": "y4",
    }
    levels = [shape for shape in apple.layout["shapes"] if shape["type"] == "line"]
    assert [(level["yref"], level["y0"], level["y1"]) for level in levels] == [
        ("y3", 30, 30),
        ("y3", 70, 70),
    ]


def test_only_the_newest_bars_are_drawn_in_order(chart: Run) -> None:
    assert chart("AAPL", "--bars", "2").code == FINE
    page = Page(Path("AAPL-1d.html"))
    assert page.traces["price"]["x"] == ["2014-06-09", "2014-06-10"]
    assert page.traces["price"]["close"] == [94.5, 95.5]
    assert page.subtitle == "2 bars, 2014-06-09 to 2014-06-10"
    assert page.shading == [("trend up", -0.5, 0.5, True), ("range", 0.5, 1.5, True)]


def test_bars_within_a_day_are_named_by_their_start(chart: Run, tmp_path: Path) -> None:
    target = tmp_path / "page of mine.html"
    shown = chart("BTC/USD", "--timeframe", "1m", "--output", str(target))
    assert (shown.code, shown.text) == (FINE, str(target))
    page = Page(target)
    assert page.heading == "BTC/USD · 1m"
    assert page.subtitle == "4 bars, 2024-01-08 23:58 to 2024-01-09 00:01 UTC"
    assert page.traces["price"]["x"][1:3] == ["2024-01-08 23:59", "2024-01-09 00:00"]


# -- which instrument ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "timeframe", "file", "heading"),
    [
        ("equity:FB", "1d", "META-1d.html", "META · Meta Platforms · 1d"),
        ("FB", "1d", "META-1d.html", "META · Meta Platforms · 1d"),
        ("META", "1d", "META-1d.html", "META · Meta Platforms · 1d"),
        ("BTC/USD", "1h", "BTC-USD-1h.html", "BTC/USD · 1h"),
    ],
    ids=["an id", "a former symbol", "whose it is now, not whose it was", "a pair"],
)
def test_an_instrument_goes_by_its_id_and_its_symbols(
    chart: Run, wanted: str, timeframe: str, file: str, heading: str
) -> None:
    shown = chart(wanted, "--timeframe", timeframe)
    assert (shown.code, shown.text) == (FINE, file)
    assert Page(Path(file)).heading == heading


# -- the page ------------------------------------------------------------------------------------


def test_the_page_asks_nobody_for_anything(apple: Page) -> None:
    assert not [tag for tag, attributes in apple.tags if {"src", "href"} & attributes.keys()]
    assert {tag for tag, _ in apple.tags} == {
        "html", "head", "meta", "title", "style", "body", "div", "script",
    }  # fmt: skip
    assert "plotly.js v" in apple.text, "the library is in the page"
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in apple.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert apple.config["showSendToCloud"] is False
    assert "plotlyServerURL" not in apple.config


def test_a_vendor_s_text_is_text(apple: Page) -> None:
    assert "<script>alert" not in apple.text
    assert "<img" not in apple.text.split("</title>")[0]
    assert "&lt;script&gt;alert(" in apple.heading
    assert "&amp; &lt;b&gt;Co&lt;/b&gt;" in apple.heading


def test_the_published_file_is_only_read(chart: Run, data: DataDir) -> None:
    published = publication.version_path(data, "v1")
    before = published.read_bytes()
    assert chart("AAPL").code == FINE
    assert published.read_bytes() == before
    assert [path.name for path in published.parent.glob("*.duckdb*")] == ["v1.duckdb"]


# -- what cannot be drawn ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ENRON",), "there is no symbol 'ENRON'; there are: AAPL, BTC/USD, META"),
        (("[/red]",), "there is no symbol '[/red]'; there are: AAPL, BTC/USD, META"),
        (("TWO",), "'TWO' is more than one instrument; name one of: crypto:TWO, equity:TWO"),
        (("BTC/USD",), "BTC/USD has no '1d' bars; there are: 1m, 1h"),
        (("AAPL", "--timeframe", "2d"), "AAPL has no '2d' bars; there are: 1d"),
        (("LISTED",), "LISTED has no '1d' bars; there are: none"),
        (("AAPL", "--output", "."), "cannot write .: Is a directory"),
        (("AAPL", "--output", "no/a.html"), "cannot write no/a.html: No such file or directory"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_what_can(
    chart: Run, arguments: tuple[str, ...], message: str
) -> None:
    shown = chart(*arguments)
    assert (shown.code, shown.text) == (FAILED, f"Error: {message}")
    assert not list(Path().glob("*.html"))


def test_a_long_list_of_symbols_is_cut(chart: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.chart.SYMBOLS_NAMED", 1)
    assert chart("ENRON").text.endswith("there are: AAPL and 2 more")


def test_a_chart_needs_a_published_version(run: Run) -> None:
    expected = "Error: nothing is published yet; run `make demo` or `tapehouse build`"
    shown = run("chart", "AAPL")
    assert (shown.code, shown.text) == (FAILED, expected)


def test_a_version_from_before_there_were_indicators_says_so(run: Run, data: DataDir) -> None:
    data.candidate.parent.mkdir(parents=True)
    duckdb.connect(str(data.candidate)).close()
    publication.publish_file(data, data.candidate, "v0", keep=3)
    shown = run("chart", "AAPL")
    expected = "version v0 has no indicators: run `tapehouse build`, then `tapehouse publish`"
    assert (shown.code, shown.text) == (FAILED, f"Error: {expected}")


def test_no_bars_are_no_chart(run: Run) -> None:
    assert run("chart", "AAPL", "--bars", "0").code == USAGE
