"""What is written once for many tables: volume, freshness, ranges and drift, and who has them."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.check_templates import written_out
from orchestration.quality import CHECKS_DIR, CheckResult, QualityError
from tests.soda.demo_warehouse import change, copy, judge

KINDS = frozenset({"volume", "freshness", "ranges", "reconciliation", "drift"})
PROMISING = (
    "gold/mart_*",
    "gold/ml_*",
    "gold/fct_trades",
    "gold/fct_decisions",
    "gold/latest_prices",
)

COUNTED = "no date or time in it: that nothing is missing, its reconciliation proves"
NOT_OF_ITS_OWN = {
    ("mart_ensemble_effectiveness", "freshness"): f"{COUNTED}, by the decisions there are",
    ("mart_provider_attribution", "freshness"): f"{COUNTED}, by the votes there are",
    ("mart_provider_calibration", "freshness"): f"{COUNTED}, by the votes that were judged",
    ("mart_regime_transitions", "freshness"): f"{COUNTED}, by the bars there are",
    ("mart_sentiment_correlations", "freshness"): f"{COUNTED}, by the days with documents",
    ("mart_sentiment_events", "freshness"): (
        "no date or time in it, and means of few events: mart_sentiment_volatility, from which"
        " each build makes it, is as new as the bars"
    ),
}
"""Kinds of checks that a table cannot have, with the reason."""

TINY = """
    create schema gold;
    create schema ops;
    create table ops.load_batches (dataset varchar);
    insert into ops.load_batches values ('bars');
    create table gold.source (a varchar, day date);
    insert into gold.source values ('x', '2024-01-03'), ('y', '2024-01-02'), ('z', '2024-01-09');
    create table gold.mart (a varchar, b date, score double, amount decimal(38, 12), label varchar);
    insert into gold.mart values
        ('x', '2024-01-01', 0.5, 100, 'one'), ('x', '2024-01-02', 0.25, 50, 'two'),
        ('x', '2024-01-03', null, 0, null), ('y', '2024-01-02', 1, -10, 'one')
"""
X2 = "a = 'x' and b = '2024-01-02'"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a database of a mart with two columns for a key, and what it is made of."""
    database = tmp_path / "tiny.duckdb"
    change(database, TINY)
    return database


def outcome_of(
    tiny: Path, check: dict[str, Any], *, published: str | None = None, sql: str = "select 1"
) -> CheckResult:
    """Judge the mart by one check, after a change to it, or to the version before it."""
    folder = tiny.parent / "checks" / "gold"
    folder.mkdir(parents=True, exist_ok=True)
    attributes = {"attributes": {"key": ["a", "b"], "datasets": ["bars"]}}
    (folder / "mart.yml").write_text(yaml.safe_dump({"checks for mart": [attributes, check]}))
    before = None
    if published:
        before = copy(tiny, tiny.parent / "published.duckdb")
        change(before, published)
    change(tiny, sql)
    (result,) = judge(tiny, published=before, checks_dir=folder.parent).results
    return result


# -- volume --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deleted", "outcome", "value"), [("y", "pass", 75), ("x", "fail", 25)])
def test_volume_is_what_is_left_of_a_hundred_published_rows(
    tiny: Path, deleted: str, outcome: str, value: int
) -> None:
    check = {"rows_kept_pct >= 75": {"name": "n"}}
    sql = f"delete from gold.mart where a = '{deleted}'"
    result = outcome_of(tiny, check, published="select 1", sql=sql)
    assert (result.outcome, result.value) == (outcome, value)


# -- freshness -----------------------------------------------------------------------------------

FRESH = {
    "freshness": {
        "name": "n",
        "per": ["a"],
        "until": "max(b)",
        "source": "select a, max(day) as until from source group by a",
    }
}


def test_what_is_in_both_ends_when_its_source_does(tiny: Path) -> None:
    assert outcome_of(tiny, FRESH).outcome == "pass"


@pytest.mark.parametrize(
    ("sql", "detail"),
    [
        pytest.param(
            "delete from gold.mart where b = '2024-01-03'",
            "1 found; until 2024-01-02, its source until 2024-01-03",
            id="ends earlier",
        ),
        pytest.param(
            "update gold.source set day = null where a = 'x'",
            "1 found; until 2024-01-03, its source until no time",
            id="ends later",
        ),
    ],
)
def test_what_ends_at_another_time_is_found(tiny: Path, sql: str, detail: str) -> None:
    result = outcome_of(tiny, FRESH, sql=sql)
    assert (result.outcome, result.failing_keys, result.detail) == ("fail", ("x",), detail)


# -- ranges --------------------------------------------------------------------------------------

RANGES = {
    "ranges": {
        "name": "n",
        "columns": {"score": [0, 1], "amount": [-10, None]},
        "where": "a <> 'z'",
    }
}


def test_values_at_the_ends_of_a_range_and_missing_ones_are_within_it(tiny: Path) -> None:
    assert outcome_of(tiny, RANGES).outcome == "pass"


@pytest.mark.parametrize(
    ("change_", "column", "found"),
    [
        ("score = -0.01", "score", "from -0.01 to 1.0, promised from 0.0 to 1.0"),
        ("score = 1.01", "score", "from 0.5 to 1.01, promised from 0.0 to 1.0"),
        ("score = 'nan'", "score", "from 0.5 to nan, promised from 0.0 to 1.0"),
        ("amount = -10.01", "amount", "from -10.01 to 100.0, promised from -10.0 to any"),
    ],
)
def test_a_value_out_of_its_range_names_its_column(
    tiny: Path, change_: str, column: str, found: str
) -> None:
    result = outcome_of(tiny, RANGES, sql=f"update gold.mart set {change_} where {X2}")
    assert (result.outcome, result.failing_keys) == ("fail", (column,))
    assert result.detail == f"1 found; {found}"


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_without_bounds_a_value_is_a_number_all_the_same(tiny: Path, value: str) -> None:
    check = {"ranges": {"name": "n", "warn": "when > 0", "columns": {"score": [None, None]}}}
    assert outcome_of(tiny, check).outcome == "pass"
    sql = f"update gold.mart set score = '{value}'"
    assert outcome_of(tiny, check, sql=sql).outcome == "warn"


def test_ranges_are_of_the_rows_that_are_meant(tiny: Path) -> None:
    sql = "insert into gold.mart values ('z', '2024-01-01', 7, 0, null)"
    assert outcome_of(tiny, RANGES, sql=sql).outcome == "pass"


# -- drift ---------------------------------------------------------------------------------------


def drift(**settings: object) -> dict[str, Any]:
    return {"drift": {"name": "n", **settings}}


@pytest.mark.parametrize(
    ("limit", "published", "outcome"),
    [
        pytest.param({"score": 0.1}, "score = 0.3", "pass", id="moved a little"),
        pytest.param({"score": 0.1}, "score = 0.1", "warn", id="moved"),
        pytest.param({"score": 0.1}, "score = 'nan'", "warn", id="was no number"),
        pytest.param({"score": 0.1}, "score = null", "pass", id="had no value yet"),
        pytest.param({"amount": "10 %"}, "amount = 55", "pass", id="by less of what it was"),
        pytest.param({"amount": "10 %"}, "amount = 56", "warn", id="by more of what it was"),
        pytest.param({"amount": "10 %"}, "amount = -50", "warn", id="has another sign"),
        pytest.param({"label": "same"}, "label = 'two'", "pass", id="the same"),
        pytest.param({"label": "same"}, "label = 'three'", "warn", id="not the same"),
        pytest.param({"label": "same"}, "label = null", "pass", id="of nothing yet"),
    ],
)
def test_drift_is_what_moved_by_more_than_it_may(
    tiny: Path, limit: dict[str, object], published: str, outcome: str
) -> None:
    check = drift(columns=limit)
    result = outcome_of(tiny, check, published=f"update gold.mart set {published} where {X2}")
    assert result.outcome == outcome
    assert result.failing_keys == (("x|2024-01-02",) if outcome == "warn" else ())


def test_a_published_value_that_is_gone_has_drifted(tiny: Path) -> None:
    check = drift(columns={"score": 5, "amount": 5})
    result = outcome_of(
        tiny, check, published="select 1", sql=f"update gold.mart set score = null where {X2}"
    )
    assert (result.outcome, result.detail) == ("warn", "1 found; score was 0.25, is nothing")


def test_drift_may_be_of_some_rows_only_and_block(tiny: Path) -> None:
    check = drift(columns={"score": 0.1}, where="published.amount > 50", fail="when > 0")
    moved = "update gold.mart set score = score + 1"
    result = outcome_of(tiny, check, published=moved)
    assert (result.outcome, result.failing_keys) == ("fail", ("x|2024-01-01",))


def test_drift_of_many_rows_is_told_once_for_each_group(tiny: Path) -> None:
    check = drift(columns={"score": 0.1}, per=["a"])
    result = outcome_of(
        tiny, check, published="update gold.mart set score = score + 1 where a = 'x'"
    )
    assert (result.outcome, result.failing_keys) == ("warn", ("x",))
    assert result.detail == ("1 found; 2 of 3 rows are not what was published, first 2024-01-01")


@pytest.mark.parametrize(("share", "outcome"), [(0.6, "warn"), (0.7, "pass")])
def test_drift_of_a_small_share_may_be_usual(tiny: Path, share: float, outcome: str) -> None:
    check = drift(columns={"score": 0.1}, per=["a"], share=share)
    moved = "update gold.mart set score = score + 1 where a = 'x'"
    assert outcome_of(tiny, check, published=moved).outcome == outcome


def test_nothing_has_drifted_before_there_is_a_published_version(tiny: Path) -> None:
    result = outcome_of(tiny, drift(columns={"score": 0}))
    assert result.outcome == "pass"
    assert "nothing published to compare with" in str(result.detail)


def test_a_column_that_is_new_has_nothing_to_drift_from(tiny: Path) -> None:
    """Or the first version with it could never be published."""
    check = drift(columns={"score": 0.1, "amount": 1}, where="published.amount > 0")
    published = f"update gold.mart set amount = 90 where {X2}; alter table gold.mart drop score"
    result = outcome_of(tiny, check, published=published)
    assert (result.outcome, result.failing_keys) == ("warn", ("x|2024-01-02",))


# -- what is written wrongly ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (drift(), "drift n lacks columns"),
        ({"freshness": {"name": "n", "per": ["a"], "until": "max(b)"}}, "freshness n lacks source"),
        (
            {"ranges": {"name": "n", "columns": {"a": [0, 1]}, "per": []}},
            "ranges n does not know per",
        ),
        (drift(columns={"score": "much"}), "a limit is a number"),
    ],
)
def test_a_template_that_lacks_something_stops_the_gate(
    tiny: Path, check: dict[str, Any], reason: str
) -> None:
    with pytest.raises(QualityError, match=reason):
        outcome_of(tiny, check)


def test_drift_cannot_be_told_of_rows_without_a_key() -> None:
    with pytest.raises(ValueError, match="needs the table's key"):
        written_out("mart", (), drift(columns={"score": 0.1}))


def test_plain_soda_checks_stay_as_they_are() -> None:
    for check in ({"row_count > 0": {"name": "n"}}, {"failed rows": {"fail query": "select 1"}}):
        assert written_out("mart", ["a"], check) == check


# -- who has them --------------------------------------------------------------------------------


def kinds_of(path: Path) -> set[str]:
    """Return the kinds of checks of a table: by their template, or as their attributes say."""
    kinds: set[str] = set()
    for entry in yaml.safe_load(path.read_text())[f"checks for {path.stem}"]:
        ((line, settings),) = entry.items()
        if line.startswith("rows_kept_pct"):
            kinds.add("volume")
        elif line in KINDS:
            kinds.add(line)
        elif line != "attributes":
            kinds.update(settings.get("attributes", {}).get("kind", []))
    return kinds


MARTS = sorted(path for pattern in PROMISING for path in CHECKS_DIR.glob(f"{pattern}.yml"))


@pytest.mark.parametrize("path", MARTS, ids=[path.stem for path in MARTS])
def test_every_mart_promises_each_kind(path: Path) -> None:
    excepted = {kind for table, kind in NOT_OF_ITS_OWN if table == path.stem}
    assert kinds_of(path) == KINDS - excepted


def test_every_mart_there_is_has_a_file_and_only_those_without_a_time_are_excepted(
    warehouse: Path,
) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, bool_or(data_type in ('DATE', 'TIMESTAMP'))"
            " from information_schema.columns where table_schema = 'gold' group by all"
        ).fetchall()
    names = tuple(pattern.removeprefix("gold/").removesuffix("*") for pattern in PROMISING)
    marts = {name: has_time for name, has_time in columns if name.startswith(names)}
    assert marts.keys() == {path.stem for path in MARTS}
    assert {name for name, has_time in marts.items() if not has_time} == {
        table for table, kind in NOT_OF_ITS_OWN if kind == "freshness"
    }
