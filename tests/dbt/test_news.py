"""Articles, posts and their sentiment: versions, when they could be known, and who scored them."""

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from ingest.clock import iso, parse_iso
from ingest.settings import DataDir
from tests.dbt.fundamentals import land_fundamentals
from tests.dbt.landing import Landing
from tests.dbt.news import (
    ARTICLES,
    BAD_NEWS,
    GOOD_NEWS,
    POSTS,
    REFUSED_ARTICLES,
    REFUSED_POSTS,
    article,
    land_latecomers,
    land_news,
    share,
)
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows

at = datetime.fromisoformat
Batch = tuple[str, str, list[Any], str]
PUBLISHED = at("2024-01-10 12:00")
CHANGED = at("2024-01-22 00:00")
TABLES = ("fundamentals", "news_articles", "social_posts", "sentiment_scores")
MODELS = ("--select", "+fundamentals", "+tag:news_family", "+reference_quarantined")
STOPPED = ("--select", "+news_articles", "+social_posts")


def test_a_changed_article_is_known_when_it_is_fetched(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select version_no, headline, available_at, superseded_at, is_current"
        " from silver.news_articles where article_id = 'a-1' order by version_no",
    )
    assert found == [
        (1, GOOD_NEWS, PUBLISHED, CHANGED, False),
        (2, BAD_NEWS, CHANGED, None, True),
    ]


def test_an_article_told_again_is_one_row(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select version_no, available_at, instrument_ids, overall_score"
        " from silver.news_articles where article_id = 'a-2'",
    )
    assert found == [(1, PUBLISHED, ["equity:NEW", "equity:OLD"], -0.9)]


def test_what_was_changed_before_we_saw_it_is_known_from_the_change(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select first_published_at, available_at, instrument_ids, unmapped_symbols"
        " from silver.news_articles where article_id = 'a-3'",
    )
    assert found == [(PUBLISHED, at("2024-01-11 08:00"), [], [])]


def test_a_symbol_of_no_asset_class_is_kept_as_it_is(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select instrument_ids, unmapped_symbols from silver.news_articles"
        " where article_id = 'a-4'",
    )
    assert found == [([], ["NEW"])]


def test_a_post_has_a_version_per_change_seen(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select version_no, score, is_removed, available_at, superseded_at"
        " from silver.social_posts where post_id = 'p-1' order by version_no",
    )
    seen = [at("2024-01-10 13:00"), at("2024-01-10 15:00"), at("2024-01-11 13:00")]
    assert found == [
        (1, 5, False, seen[0], seen[1]),
        (2, 50, False, seen[1], seen[2]),
        (3, 5, True, seen[2], None),
    ]


def test_text_is_scored_by_the_lexicon_unless_the_vendor_did(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select document_id, version_no, method, score from silver.sentiment_scores"
        " where scope = 'overall' and provider = 'inbox' and document_id not like 'mood-%'"
        " order by document_id, version_no",
    )
    score = SentimentIntensityAnalyzer().polarity_scores
    by_vader = {
        ("a-1", 1): f"{GOOD_NEWS}.  Very good. ",
        ("a-1", 2): f"{BAD_NEWS}.  Very good. ",
        ("a-3", 1): "Nothing happened",
        ("a-4", 1): "Of no kind",
        ("p-1", 1): "I love this coin. It is what it is.",
        ("p-2", 1): "Horrible scam",
    }
    expected = {key: ("vader-3.3.2", score(text)["compound"]) for key, text in by_vader.items()}
    expected["a-2", 1] = ("inbox", -0.9)
    assert {(name, number): tuple(rest) for name, number, *rest in found} == expected
    assert expected["a-1", 1][1] > 0.8
    assert expected["a-1", 2][1] < -0.8


def test_a_score_is_known_no_sooner_than_its_text(demo: Warehouse) -> None:
    found = rows(
        demo.database,
        "select scope, instrument_id, available_at, superseded_at from silver.sentiment_scores"
        " where document_id = 'p-1' order by scope",
    )
    written, removed = at("2024-01-10 13:00"), at("2024-01-11 13:00")
    assert found == [
        ("overall", None, written, removed),
        ("text", "crypto:BTC/USD", written, removed),
    ]


@pytest.mark.parametrize(
    ("dataset", "good", "refused"),
    [
        ("news_articles", ARTICLES, REFUSED_ARTICLES),
        ("social_posts", POSTS, REFUSED_POSTS),
    ],
)
def test_bad_records_are_in_quarantine_with_their_reasons(
    demo: Warehouse, dataset: str, good: Sequence[Any], refused: dict[str, Any]
) -> None:
    found = rows(
        demo.database,
        "select _row, reasons from silver.reference_quarantined"
        f" where provider = 'inbox' and dataset = '{dataset}' order by _row",
    )
    reasons = [reasons for _, reasons in refused.values()]
    assert found == list(enumerate(reasons, start=len(good)))


# -- however it was landed -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Recorder(Landing):
    """Keeps what is landed, to land it in another way."""

    landed: list[Batch]

    def land(  # type: ignore[override]
        self, provider: str, dataset: str, records: Sequence[Any] = (), *, fetched: str
    ) -> None:
        self.landed.append((provider, dataset, list(records), fetched))


def _batches() -> list[Batch]:
    recorder = _Recorder(DataDir(Path("unused")), [])
    land_fundamentals(recorder, bad=True)
    land_news(recorder, bad=True)
    return sorted(recorder.landed, key=lambda batch: batch[3])


def _unmentioned() -> list[Batch]:
    """Return a listing of a share that no document mentions."""
    recorder = _Recorder(DataDir(Path("unused")), [])
    recorder.land("inbox", "instruments", [share("SILENT")], fetched="2024-01-08T00:00Z")
    return recorder.landed


def _latecomers() -> list[Batch]:
    recorder = _Recorder(DataDir(Path("unused")), [])
    land_latecomers(recorder)
    return recorder.landed


def _contents(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """Return every table without the lineage, which says where in the lake a record is."""
    with closing(connect(warehouse.database)) as connection:
        return {
            table: connection.execute(
                f"select columns(lambda name: not starts_with(name, '_')) from silver.{table}"
                " order by all"
            ).fetchall()
            for table in TABLES
        }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of the batches, built after the first of each dataset and after all.

    Then some come late, and the run that takes them in stops before it has scored what they say.
    """
    warehouse = Warehouse(tmp_path_factory.mktemp("told"))
    lake = Landing(DataDir(warehouse.data))
    first: list[Batch] = []
    later: list[Batch] = []
    for batch in _batches():
        (later if batch[1] in {each[1] for each in first} else first).append(batch)
    for batches, models, name in (
        (first, MODELS, "before"),
        (later + _unmentioned(), MODELS, "after"),
        (_latecomers(), STOPPED, "stopped"),
        ([], MODELS, "whole"),
    ):
        for provider, dataset, records, fetched in batches:
            lake.land(provider, dataset, records, fetched=fetched)
        warehouse.build(*models, *WITHOUT_TESTS)
        warehouse.copy_database(warehouse.folder / f"{name}.duckdb")
    return warehouse


def test_only_what_is_told_otherwise_is_looked_at(told: Warehouse) -> None:
    """Of an article told again and one that is changed, the latter, whatever else is listed.

    Where documents are told late, or what they mention has a meaning now, all of their kind.
    """
    changed = "select * from staging.int_documents__changed"
    assert rows(told.folder / "before.duckdb", changed) == []
    assert rows(told.folder / "after.duckdb", changed) == [("article", "inbox", "a-1")]
    revisions = "select * from staging.int_news__revisions"
    assert rows(told.folder / "after.duckdb", revisions) == []
    listed = "select count(*) from silver.int_news__symbol_map where mentioned_as = 'SILENT'"
    assert rows(told.folder / "before.duckdb", listed) == [(0,)]
    assert rows(told.folder / "after.duckdb", listed) == [(1,)]
    assert rows(told.folder / "stopped.duckdb", revisions) == [
        ("news_articles", "symbol"),
        ("news_articles", "told_late"),
        ("social_posts", "told_late"),
    ]


def test_what_comes_late_takes_its_place(told: Warehouse) -> None:
    articles = "select headline, version_no, is_current from silver.news_articles where {}"
    articles += " order by version_no"
    assert rows(told.database, articles.format("article_id = 'a-1'")) == [
        ("At first it was this", 1, False),
        (GOOD_NEWS, 2, False),
        (BAD_NEWS, 3, True),
    ]
    meant = "list_contains(instrument_ids, 'equity:NEW') and article_id = 'a-4'"
    assert rows(told.folder / "after.duckdb", articles.format(meant)) == []
    assert len(rows(told.database, articles.format(meant))) == 1
    posts = "select score from silver.social_posts where post_id = 'p-1' order by version_no"
    assert rows(told.database, posts) == [(5,), (20,), (50,), (5,)]


def test_a_run_that_stops_takes_nothing_in(told: Warehouse) -> None:
    """The next one builds anew what the other tables of the news were not built with.

    Nor does what follows the news go on from a run that it was not built in.
    """
    families = "select family, goes_on, is_complete from ops.family_runs order by family"
    follows = ("trading", False, False)
    assert rows(told.folder / "after.duckdb", families) == [("news", True, True), follows]
    assert rows(told.folder / "stopped.duckdb", families) == [("news", True, False), follows]
    pending = (
        "select count(*) from ops.build_batches"
        " where dataset in ('news_articles', 'social_posts')"
        " and batch_id not in (select batch_id from ops.processed_batches)"
    )
    scored = "select count(*) from silver.sentiment_scores where document_id = 'a-1'"
    assert rows(told.folder / "after.duckdb", pending) == [(0,)]
    assert rows(told.folder / "stopped.duckdb", pending) == [(2,)]
    assert rows(told.folder / "stopped.duckdb", scored) == [(4,)]
    assert rows(told.database, pending) == [(0,)]
    assert rows(told.database, scored) == [(6,)]


def test_shuffled_and_repeated_landings_give_the_same(told: Warehouse, tmp_path: Path) -> None:
    """Also that of two builds is that of one: this one is built at once, from the last batch on."""
    warehouse = Warehouse(tmp_path)
    lake = Landing(DataDir(warehouse.data))
    shuffle = random.Random(7).shuffle  # noqa: S311 - no secret
    batches = [*_batches(), *_unmentioned(), *_latecomers()]
    for provider, dataset, records, fetched in reversed(batches):
        again = iso(parse_iso(fetched) + timedelta(seconds=1))
        for moment in (again, fetched):
            shuffle(records)
            lake.land(provider, dataset, records, fetched=moment)
    warehouse.build(*MODELS, *WITHOUT_TESTS)
    assert _contents(warehouse) == _contents(told)


def test_what_comes_later_changes_nothing_that_was_known(told: Warehouse) -> None:
    """All that could be known before the later batches stands in the same words."""
    facts = {
        "fundamentals": "provider, instrument_id, vendor_concept, period_start_date,"
        " period_end_date, filing_id, version_no, value, available_at, is_first_report, is_primary",
        "news_articles": "provider, article_id, version_no, headline, available_at, instrument_ids",
        "social_posts": "provider, post_id, version_no, text, score, available_at",
        "sentiment_scores": "provider, document_id, version_no, scope, instrument_id, method,"
        " score, available_at",
    }
    for table, columns in facts.items():
        query = f"select {columns} from silver.{table}"
        before = rows(told.folder / "before.duckdb", query)
        after = rows(told.folder / "after.duckdb", query)
        assert before
        assert {str(row) for row in before} <= {str(row) for row in after}, table


def test_no_row_is_known_before_its_text_or_period(told: Warehouse) -> None:
    assert not rows(
        told.database,
        "select * from silver.sentiment_scores as scores join silver.news_articles as articles"
        " on scores.document_id = articles.article_id"
        " and scores.version_no = articles.version_no"
        " where scores.available_at < articles.available_at"
        " or articles.available_at < articles.published_at",
    )


def test_a_text_is_scored_once(told: Warehouse) -> None:
    """The lexicon's scores of the first build are those of the second: only new texts are added."""
    query = "select text_hash, score from silver.int_sentiment__lexicon_scores"
    before, after = (
        set(rows(told.folder / f"{name}.duckdb", query)) for name in ("before", "after")
    )
    assert before < after
    assert len(after - before) == len([article("a-1", BAD_NEWS)])
