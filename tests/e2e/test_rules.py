"""A changed rule makes the next build redo what it touches, and rows come back or change hands."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration import candidate as building
from orchestration.run_records import RunRecord
from tests.orchestration.warehouses import (
    INBOX_CLOSE,
    INBOX_DAYS,
    PROJECT_VARIABLE,
    build,
    copied,
    edited_project,
    isolate,
    query,
)

Edit = Callable[[str], str]
BAR_RULES = "macros/silver/bar_rules.sql"
SYMBOL_MAP = "seeds/symbol_map.csv"
PRECEDENCE = "seeds/precedence.csv"

ODD_VERSIONS = "select close, volume from silver.bar_versions where provider_symbol = 'ODD'"
UNKNOWN = "SIM-UNKNOWN/USD"
UNKNOWN_VERSIONS = (
    f"select distinct instrument_id from silver.bar_versions where provider_symbol = '{UNKNOWN}'"
)
UNKNOWN_QUARANTINED = (
    f"select count(*) from silver.bars_quarantined where provider_symbol = '{UNKNOWN}'"
)
CONTESTED = (
    "select distinct provider from silver.bars where instrument_id = 'equity:AAPL'"
    f" and session_date in {INBOX_DAYS}"
)


def accept_any_volume(text: str) -> str:
    return re.sub(r"'close', 'volume',(\s)", r"'close',\1", text)


def map_unknown(text: str) -> str:
    return text + f"simulator,{UNKNOWN},crypto,crypto:{UNKNOWN},1970-01-01,9999-12-31\n"


def prefer_sample(text: str) -> str:
    return text.replace("bars,equity,sample,100", "bars,equity,sample,1")


EDITS: dict[str, Edit] = {
    BAR_RULES: accept_any_volume,
    SYMBOL_MAP: map_unknown,
    PRECEDENCE: prefer_sample,
}


@pytest.fixture(scope="module")
def rebuilt(
    small: Path, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunRecord, Path, Path]:
    """Build under three edited rules at once: return the record, and before and after."""
    folder = tmp_path_factory.mktemp("rules")
    settings = copied(small, folder / "warehouse")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, edited_project(project, folder / "project", EDITS), folder)
        return build(settings), settings.data.market, settings.data.candidate


Rebuilt = tuple[RunRecord, Path, Path]


def test_rows_come_back_when_a_quarantine_rule_is_relaxed(rebuilt: Rebuilt) -> None:
    _, before, after = rebuilt
    assert query(before, ODD_VERSIONS) == []
    assert query(after, ODD_VERSIONS) == [(10.5, None)]
    assert query(after, "select 1 from silver.bars_quarantined where provider_symbol = 'ODD'") == []


def test_rows_come_back_when_a_symbol_is_mapped(rebuilt: Rebuilt) -> None:
    _, before, after = rebuilt
    assert query(before, UNKNOWN_VERSIONS) == []
    assert query(before, UNKNOWN_QUARANTINED) != [(0,)]
    assert query(after, UNKNOWN_VERSIONS) == [(f"crypto:{UNKNOWN}",)]
    assert query(after, UNKNOWN_QUARANTINED) == [(0,)]


def test_another_winner_takes_over_when_precedence_changes(rebuilt: Rebuilt) -> None:
    _, before, after = rebuilt
    assert query(before, CONTESTED) == [("inbox",)]
    assert query(after, CONTESTED) == [("sample",)]
    closes = CONTESTED.replace("provider", "close")
    assert query(before, closes) == [(float(INBOX_CLOSE),)]
    assert len(query(after, closes)) == len(INBOX_DAYS)


def test_no_more_is_refreshed_than_must_be(rebuilt: Rebuilt) -> None:
    record, *_ = rebuilt
    assert {"bar_versions", "bars_quarantined", "bars"} <= set(record.refreshed_models)
    assert not record.is_full_refresh


REFRESHED = {
    BAR_RULES: {"bar_versions", "bars_quarantined"},
    SYMBOL_MAP: {"bar_versions", "bars_quarantined", "bars"},
    PRECEDENCE: {"bar_versions", "bars"},
}


@pytest.mark.slow  # one by one; that all three at once do what they should is tried above
@pytest.mark.parametrize("rule", EDITS)
def test_a_rule_refreshes_what_it_touches(
    rule: str, small: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = edited_project(project, tmp_path / "project", {rule: EDITS[rule]})
    monkeypatch.setenv(PROJECT_VARIABLE, str(edited))
    begun = building.begin(copied(small, tmp_path / "warehouse").data)
    assert REFRESHED[rule] <= set(begun.refreshed_models)
    # Quarantine asks for no precedence.
    assert ("bars_quarantined" in begun.refreshed_models) == (rule != PRECEDENCE)
    assert not begun.is_full_refresh


# -- what changes no rule ------------------------------------------------------------------------


def test_an_untouched_project_refreshes_nothing(small: Path, tmp_path: Path) -> None:
    data = copied(small, tmp_path / "warehouse").data
    begun = building.begin(data)
    assert begun.refreshed_models == ()
    assert not begun.is_full_refresh


def test_another_description_or_test_refreshes_nothing(
    small: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say_otherwise(text: str) -> str:
        return re.sub(r'description: ".*"', 'description: "Said otherwise."', text)

    edits: dict[str, Edit] = {
        "models/silver/prices/bars.yml": say_otherwise,
        "tests/one_more.sql": lambda _: "select 1 where false\n",
    }
    monkeypatch.setenv(PROJECT_VARIABLE, str(edited_project(project, tmp_path / "project", edits)))
    begun = building.begin(copied(small, tmp_path / "warehouse").data)
    assert begun.refreshed_models == ()
