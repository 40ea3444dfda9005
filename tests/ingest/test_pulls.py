"""The pulls file: what it declares becomes requests, and mistakes are told with a way out."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml

from ingest.backfill import Ask, land_all
from ingest.lake import Lake
from ingest.provider import Dataset, Provider, fields
from ingest.providers import make_providers
from ingest.pulls import Entry, PullsError, asks, read_pulls
from ingest.schemas import schema_text
from ingest.settings import PROJECT_ROOT, DataDir, Environment, Settings
from tests.ingest.scripted import Now, Vendor

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)


class Shop(Vendor):
    """A vendor with one dataset of each kind, which may lack a key."""

    missing_secrets: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ("1m", "1h", "1d")

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        extract = {"fields": fields("id"), "kind": "extract"}
        return {
            "bars": Dataset(
                "bars", fields("t"), timeframes=self.timeframes, asset_classes=("equity", "crypto")
            ),
            "quotes": Dataset("quotes", fields("t"), timeframes=("1m",), asset_classes=("crypto",)),
            "news": Dataset("news", fields("t"), asset_classes=("equity",)),
            "overviews": Dataset("overviews", **extract, asset_classes=("equity",)),  # type: ignore[arg-type]
            "listings": Dataset(
                "listings",
                **extract,
                asset_classes=("equity",),
                is_by_symbol=False,  # type: ignore[arg-type]
            ),
            "posts": Dataset("posts", **extract),  # type: ignore[arg-type]
        }


@pytest.fixture
def providers() -> dict[str, Provider]:
    now = Now(NOW)
    return {name: Shop(now, name=name) for name in ("alpha", "beta", "gamma")}


Read = Callable[[str], tuple[Entry, ...]]


@pytest.fixture
def read(tmp_path: Path, providers: dict[str, Provider]) -> Read:
    """Return a function that reads the text of a pulls file."""

    def call(text: str) -> tuple[Entry, ...]:
        path = tmp_path / "pulls.yml"
        path.write_text(text, encoding="utf-8")
        return read_pulls(path, providers)

    return call


def requests(entries: tuple[Entry, ...]) -> list[tuple[str, str]]:
    return [(ask.provider.name, str(ask.request)) for ask in asks(entries, Now(NOW))]


# -- what it declares ------------------------------------------------------------------------------


def test_an_entry_is_a_request_per_symbol_and_timeframe(read: Read) -> None:
    entries = read(
        "pulls:\n"
        "  - provider: alpha\n"
        "    dataset: bars\n"
        "    asset_class: crypto\n"
        "    symbols: [BTC/USD, ETH/USD, BTC/USD]\n"
        "    timeframes: [1h, 1d]\n"
        "    since: 2026-03-01\n"
        "    revision_window: 12h\n"
    )
    wanted = list(asks(entries, Now(NOW)))
    assert requests(entries) == [
        ("alpha", f"bars alpha:crypto:{symbol} {timeframe} 2026-03-01T00:00..2026-03-10T15:30")
        for symbol in ("BTC/USD", "ETH/USD")
        for timeframe in ("1h", "1d")
    ]
    assert {ask.revision_window for ask in wanted} == {timedelta(hours=12)}
    assert [dict(ask.request.params) for ask in wanted] == [{"asset_class": "crypto"}] * 4


@pytest.mark.parametrize(
    ("entry", "expected", "params"),
    [
        (
            ("{provider: alpha, dataset: bars, asset_class: equity, symbols: [BRK.B],"
            " timeframes: [1d], since: 30d}"),
            "bars alpha:equity:BRK.B 1d 2026-02-08T00:00..2026-03-10T15:30",
            {"asset_class": "equity"},
        ),
        (
            "{provider: alpha, dataset: quotes, symbols: [BTC/USD], timeframes: [1m], since: 0d}",
            "quotes alpha:crypto:BTC/USD 1m 2026-03-10T00:00..2026-03-10T15:30",
            {"asset_class": "crypto"},
        ),
        (
            "{provider: alpha, dataset: news, symbols: [IBM], since: 2026-03-09}",
            "news alpha:equity:IBM 2026-03-09T00:00..2026-03-10T15:30",
            {"asset_class": "equity"},
        ),
        (
            "{provider: alpha, dataset: overviews, symbols: [IBM]}",
            "overviews alpha:equity:IBM",
            {"asset_class": "equity"},
        ),
        ("{provider: alpha, dataset: listings}", "listings", {}),
        ("{provider: alpha, dataset: posts, symbols: [stocks]}", "posts stocks", {}),
        ("{provider: alpha, dataset: overviews, symbols: [ON]}", "overviews alpha:equity:ON",
         {"asset_class": "equity"}),
        ("{provider: alpha, dataset: overviews, symbols: [0700]}", "overviews alpha:equity:0700",
         {"asset_class": "equity"}),
    ],
)  # fmt: skip
def test_entries_of_each_kind(
    read: Read, entry: str, expected: str, params: dict[str, str]
) -> None:
    entries = read(f"pulls: [{entry}]")
    assert requests(entries) == [("alpha", expected)]
    (ask,) = asks(entries, Now(NOW))
    assert ask.request.params == params


@pytest.mark.parametrize(
    ("text", "window"),
    [("90m", timedelta(minutes=90)), ("36h", timedelta(hours=36)), ("3d", 3 * DAY)],
)
def test_revision_windows(read: Read, text: str, window: timedelta) -> None:
    entry = "provider: alpha, dataset: news, symbols: [IBM], since: 9d, revision_window: "
    (ask,) = asks(read(f"pulls: [{{{entry}{text}}}]"), Now(NOW))
    assert ask.revision_window == window


def test_symbols_by_the_thousand_come_from_a_list(read: Read, tmp_path: Path) -> None:
    listed = [f"S{number}" for number in range(5000)]
    lines = ["name,symbol", *(f"x,{symbol}" for symbol in [*listed, "", " S1 ", "IBM"])]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "all.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    entries = read(
        "pulls:\n  - {provider: alpha, dataset: overviews, symbols: [IBM],"
        " symbols_file: lists/all.csv}\n"
    )
    (entry,) = entries
    assert entry.symbols == ("IBM", *listed)
    assert len(requests(entries)) == 5001


def test_other_providers_follow_in_order_and_spell_for_themselves(read: Read) -> None:
    entries = read(
        "pulls: [{providers: [beta, alpha, gamma], dataset: overviews, symbols: [BRK.B]}]"
    )
    chain: list[str | None] = []
    (ask,) = asks(entries, Now(NOW))
    following: Ask | None = ask
    while following is not None:
        chain.append(following.request.symbol)
        following = following.otherwise
    assert chain == ["beta:equity:BRK.B", "alpha:equity:BRK.B", "gamma:equity:BRK.B"]


def test_an_entry_that_is_switched_off_asks_for_nothing(read: Read) -> None:
    entries = read("pulls: [{provider: alpha, dataset: listings, enabled: false}]")
    (entry,) = entries
    assert (entry.is_on, entry.reason) == (False, "enabled is false")
    assert requests(entries) == []


def test_a_list_of_an_entry_that_is_off_may_be_missing(read: Read) -> None:
    (entry,) = read(
        "pulls: [{provider: alpha, dataset: overviews, symbols: [IBM], symbols_file: none.csv,"
        " enabled: false}]"
    )
    assert not entry.is_on


def test_an_entry_without_its_key_waits(read: Read, providers: dict[str, Provider]) -> None:
    providers["alpha"].missing_secrets = ("ALPHA_KEY", "ALPHA_SECRET")  # type: ignore[attr-defined]
    text = (
        "pulls:\n"
        "  - {provider: alpha, dataset: listings}\n"
        "  - {providers: [alpha, beta], dataset: overviews, symbols: [IBM]}\n"
    )
    first, second = entries = read(text)
    assert (first.is_on, first.reason) == (False, "alpha needs ALPHA_KEY, ALPHA_SECRET")
    assert (second.is_on, second.reason) == (True, "alpha needs ALPHA_KEY, ALPHA_SECRET")
    assert requests(entries) == [("beta", "overviews beta:equity:IBM")]
    providers["beta"].missing_secrets = ("ALPHA_KEY", "ALPHA_SECRET")  # type: ignore[attr-defined]
    _, second = read(text)
    assert (second.is_on, second.reason) == (False, "alpha, beta need ALPHA_KEY, ALPHA_SECRET")


def test_what_is_asked_of_one_dataset(read: Read) -> None:
    entries = read(
        "pulls:\n"
        "  - {providers: [alpha, beta], dataset: overviews, symbols: [IBM]}\n"
        "  - {provider: beta, dataset: overviews, symbols: [MSFT]}\n"
        "  - {provider: beta, dataset: listings}\n"
        "  - {provider: beta, dataset: news, symbols: [MSFT], since: 1d, enabled: false}\n"
    )

    def wanted(provider: str, dataset: str = "") -> list[str]:
        found = asks(entries, Now(NOW), provider=provider, dataset=dataset)
        return [str(ask.request) for ask in found]

    assert wanted("alpha", "overviews") == ["overviews alpha:equity:IBM"]
    assert wanted("beta", "overviews") == ["overviews beta:equity:MSFT"]
    assert wanted("beta") == ["overviews beta:equity:MSFT", "listings"]
    assert wanted("beta", "news") == wanted("gamma") == []


def test_what_it_declares_is_landed(read: Read, tmp_path: Path) -> None:
    entries = read(
        "pulls:\n"
        "  - {provider: alpha, dataset: bars, asset_class: crypto, symbols: [BTC/USD],"
        " timeframes: [1m], since: 0d}\n"
        "  - {provider: beta, dataset: bars, asset_class: equity, symbols: [IBM],"
        " timeframes: [1m], since: 0d}\n"
    )
    now = Now(NOW)
    lake = Lake(DataDir(tmp_path / "data"), now)
    reports = land_all(asks(entries, now), lake, clock=now)
    assert [(r.provider, r.dataset, r.asked, r.rows) for r in reports] == [
        ("alpha", "bars", 16, 930),
        ("beta", "bars", 16, 930),
    ]


# -- mistakes --------------------------------------------------------------------------------------

BARS = "provider: alpha, dataset: bars, asset_class: equity, timeframes: [1d], since: 9d"
OVERVIEWS = "provider: alpha, dataset: overviews"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("provider: alhpa, dataset: listings",
         "provider: there is no provider 'alhpa': did you mean alpha?"),
        ("provider: reuters, dataset: listings",
         "provider: there is no provider 'reuters': there are alpha, beta, gamma"),
        ("providers: [alpha, bta], dataset: listings",
         "providers: there is no provider 'bta': did you mean beta?"),
        ("providers: [alpha, alpha], dataset: listings",
         "providers: a provider is named twice: name it once"),
        ("provider: inbox, dataset: bars",
         "provider: files are landed with `tapehouse ingest inbox`: take the entry out"),
        ("dataset: listings", "give provider, or several as providers"),
        ("provider: alpha, providers: [beta], dataset: listings",
         "give provider, or several as providers"),
        ("provider: alpha", "dataset is missing: add it"),
        ("provider: alpha, dataset: listing",
         "dataset: alpha has no 'listing': did you mean listings?"),
        ("provider: alpha, dataset: xyz",
         "dataset: alpha has no 'xyz': there are bars, listings, news, overviews, posts, quotes"),
        ("provider: alpha, dataset: listings, symbol: IBM",
         "symbol: there is no field 'symbol': did you mean symbols"),
        (f"{BARS}, symbols: IBM", "symbols: write a list, such as [IBM]"),
        (f"{BARS}", "bars of alpha needs symbols, or a symbols_file with at least one"),
        (f"{OVERVIEWS}, symbols: [IBM], timeframes: [1d]",
         "timeframes: overviews of alpha has no 1d: leave them out"),
        ("provider: alpha, dataset: bars, asset_class: equity, symbols: [IBM], since: 9d",
         "bars of alpha needs timeframes: some of 1m, 1h, 1d"),
        (("provider: alpha, dataset: bars, asset_class: equity, symbols: [IBM], since: 9d,"
         " timeframes: [1d, 1w]"),
         "timeframes: '1w' is not one of 1m, 5m, 15m, 1h, 4h, 1d: did you mean"),
        (("provider: alpha, dataset: bars, asset_class: equity, symbols: [IBM], since: 9d,"
         " timeframes: [4h]"),
         "timeframes: bars of alpha has no 4h: it has 1m, 1h, 1d; coarser ones are derived"),
        ("provider: alpha, dataset: bars, symbols: [IBM], timeframes: [1d], since: 9d",
         "bars of alpha needs one of equity, crypto"),
        (("provider: alpha, dataset: bars, asset_class: fx, symbols: [EUR/USD], timeframes: [1d],"
         " since: 9d"), "asset_class: alpha has bars of equity, crypto, not of fx"),
        (("provider: alpha, dataset: bars, asset_class: bond, symbols: [X], timeframes: [1d],"
         " since: 9d"), "asset_class: 'bond' is not one of equity, crypto, fx"),
        ("provider: alpha, dataset: news, symbols: [IBM]",
         "news of alpha needs since: the first day, or days back (30d)"),
        ("provider: alpha, dataset: news, symbols: [IBM], since: yesterday",
         "since: 'yesterday' is not understood: write it like 2024-01-31 or 30d"),
        ("provider: alpha, dataset: news, symbols: [IBM], since: 2024-02-30",
         "since: '2024-02-30' is not understood: write it like 2024-01-31 or 30d"),
        ("provider: alpha, dataset: news, symbols: [IBM], since: 9d, revision_window: 2 days",
         "revision_window: '2 days' is not understood: write it like 90m, 12h or 3d"),
        (f"{OVERVIEWS}, symbols: [IBM], since: 9d",
         "since: overviews of alpha is all there is now, whatever the time: leave since out"),
        ("provider: alpha, dataset: listings, symbols: [IBM]",
         "symbols: listings of alpha comes whole: leave symbols out"),
        (f"{BARS}, symbols: [BRK-B]", "symbols: 'BRK-B' is not canonical: write BRK.B"),
        ("provider: alpha, dataset: quotes, symbols: [BTC-USD], timeframes: [1m], since: 9d",
         "symbols: 'BTC-USD' is not canonical: write BTC/USD"),
        ("provider: alpha, dataset: quotes, symbols: [btc/usd], timeframes: [1m], since: 9d",
         "symbols: 'btc/usd' is not canonical: write BTC/USD"),
        (f"{BARS}, symbols: [aapl]", "symbols: 'aapl' is not canonical: write AAPL"),
        (f"{BARS}, symbols: [$AAPL]", "symbols: '$AAPL' is not canonical: write it like BRK.B"),
        ("provider: alpha, dataset: news, symbols: [IBM], since: 2999-01-01",
         "since: 2999-01-01 is still to come: write a day that has begun, or days back (30d)"),
        ("provider: alpha, dataset: quotes, symbols: [BTC], timeframes: [1m], since: 9d",
         "symbols: 'BTC' is not canonical: write it like BTC/USD"),
        (f"{OVERVIEWS}, symbols_file: none.csv", "symbols_file: "),
        (f"{OVERVIEWS}, symbols_file: bad.csv",
         "bad.csv has no column 'symbol': name it in line 1"),
        (f"{OVERVIEWS}, symbols: [IBM], enabled: perhaps",
         "enabled: input should be a valid boolean, unable to interpret input (it is 'perhaps')"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_a_way_out(
    read: Read, tmp_path: Path, entry: str, problem: str
) -> None:
    (tmp_path / "bad.csv").write_text("ticker\nIBM\n", encoding="utf-8")
    with pytest.raises(PullsError) as refused:
        read(
            f"# what is pulled\npulls:\n  - {{provider: beta, dataset: listings}}\n  - {{{entry}}}"
        )
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{tmp_path / 'pulls.yml'}:4: entry 2: ")
    assert problem in line


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "pulls.yml:1: pulls is missing: add it"),
        ("pull: []", "pulls.yml:1: there is no field 'pull': did you mean pulls?"),
        ("pulls: []\npulls: []", "pulls.yml:2: pulls is given twice: keep one"),
        ("pulls:\n  - provider: alpha\n    provider: beta\n    dataset: listings",
         "pulls.yml:3: provider is given twice: keep one"),
        ("pulls: [}", "pulls.yml:1: this is not YAML: "),
        (("pulls:\n  - {provider: alpha, dataset: listings}\n\n  - {provider: alpha,"
         " dataset: listings}"),
         "pulls.yml:4: entry 2: alpha listings is pulled by entry 1 too: take it out of one"),
        (f"pulls:\n  - {{{OVERVIEWS}, symbols: [A, B]}}\n  - {{{OVERVIEWS}, symbols: [B, C]}}",
         "pulls.yml:3: entry 2: alpha overviews B is pulled by entry 1 too: take it out of one"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used(read: Read, text: str, problem: str) -> None:
    with pytest.raises(PullsError) as refused:
        read(text)
    assert problem in str(refused.value)


def test_all_mistakes_are_told_at_once_by_line(read: Read) -> None:
    wrong = "".join(f"  - {{provider: p{number}, dataset: listings}}\n" for number in range(25))
    with pytest.raises(PullsError) as refused:
        read(f"pulls:\n{wrong}")
    *told, last = str(refused.value).splitlines()
    assert [line.split(":")[1] for line in told] == [str(number) for number in range(2, 22)]
    assert last == "and 5 more"


def test_a_mistake_in_a_block_is_told_by_its_own_line(read: Read) -> None:
    with pytest.raises(PullsError, match=r"pulls\.yml:5: entry 1: timeframes: '1x'"):
        read("pulls:\n  - provider: alpha\n    dataset: bars\n    timeframes:\n      - 1x\n")


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(PullsError, match=r"none\.yml cannot be read .* in TAPEHOUSE_PULLS"):
        read_pulls(tmp_path / "none.yml", {})


# -- the schema, and the file that is shipped ------------------------------------------------------

SHIPPED = PROJECT_ROOT / "pulls.yml"


def test_the_shipped_file_follows_the_schema() -> None:
    content = json.loads(json.dumps(yaml.safe_load(SHIPPED.read_text()), default=str))
    jsonschema.validate(content, json.loads(schema_text("pulls")))
    content["pulls"][0]["symbol"] = "IBM"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json.loads(schema_text("pulls")))


def shipped(tmp_path: Path, **secrets: str) -> tuple[Entry, ...]:
    settings = Settings(data_dir=tmp_path)
    settings.__dict__["environment"] = Environment(secrets)
    return read_pulls(SHIPPED, make_providers(settings))


def test_without_keys_the_shipped_file_pulls_coinbase_alone(tmp_path: Path) -> None:
    on = {
        (entry.chain[0].name, entry.pull.dataset, *entry.symbols, *entry.pull.timeframes)
        for entry in shipped(tmp_path)
        if entry.is_on
    }
    assert on == {
        ("coinbase", "bars", "BTC/USD", "ETH/USD", "1d"),
        ("coinbase", "bars", "BTC/USD", "ETH/USD", "1h"),
        ("coinbase", "bars", "BTC/USD", "ETH/USD", "1m"),
        ("coinbase", "products"),
    }


def test_with_keys_the_shipped_file_pulls_all_but_what_is_off(tmp_path: Path) -> None:
    named = (
        "SEC_EDGAR_EMAIL", "ALPHA_VANTAGE_API_KEY", "FMP_API_KEY", "APCA_API_KEY_ID",
        "APCA_API_SECRET_KEY", "OANDA_API_TOKEN", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET",
    )  # fmt: skip
    entries = shipped(tmp_path, **dict.fromkeys(named, "made-up@example.com"))
    assert {entry.pull.chain[0] for entry in entries if not entry.is_on} == {
        "kraken", "binance", "reddit",
    }  # fmt: skip
    assert {entry.pull.chain[0] for entry in entries if entry.is_on} == {
        "coinbase", "sec_edgar", "alpha_vantage", "fmp", "alpaca", "alpaca_sip", "oanda",
    }  # fmt: skip
    assert {entry.reason for entry in entries if not entry.is_on} == {"enabled is false"}
