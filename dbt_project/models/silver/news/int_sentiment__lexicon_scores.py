"""Score each text once with VADER's lexicon: what this version has scored is taken over.

C.J. Hutto, E. Gilbert (2014): VADER, a parsimonious rule-based model for sentiment analysis of
social media text.
Source: https://github.com/cjhutto/vaderSentiment
"""  # noqa: INP001 - dbt reads it, nobody imports it

from importlib.metadata import version
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


def model(dbt: Any, session: Any) -> Any:  # noqa: ANN401 - dbt has no types for them
    """Return one row per text that no vendor scored: its hash, the method, the score.

    In an incremental run only of texts that are not in the table yet.
    """
    dbt.config(
        materialized="incremental",
        incremental_strategy="append_computed",
        tags=["news_family"],
        takes_in=["news_articles", "social_posts"],
        contract={"enforced": False},
    )
    method = f"vader-{version('vaderSentiment')}"
    texts = dbt.ref("int_sentiment__texts")
    texts = texts.filter("overall_score is null and text is not null")
    texts = texts.aggregate("text_hash, any_value(text) as text")
    # By its table's name alone: dbt would not build it again if it read itself.
    schema, table = dbt.this.schema, dbt.this.identifier
    is_there = session.execute(
        "select count(*) from duckdb_tables()"
        " where database_name = current_database() and schema_name = ? and table_name = ?",
        [schema, table],
    ).fetchall()[0][0]
    known = session.sql(
        f"select text_hash, score from {schema}.{table} where method = '{method}'"
        if is_there
        else "select null as text_hash, null::double as score where false"
    )
    compared = texts.set_alias("texts").join(
        known.set_alias("known"), "texts.text_hash = known.text_hash", how="left"
    )
    compared = compared.project(
        "texts.text_hash, known.score, case when known.score is null then texts.text end as text"
    )
    if dbt.is_incremental:
        compared = compared.filter("score is null")
    score = SentimentIntensityAnalyzer().polarity_scores
    hashes, scores = [], []
    for text_hash, known_score, text in compared.order("text_hash").iter_rows():
        hashes.append(text_hash)
        scores.append(score(text)["compound"] if known_score is None else known_score)
    if not hashes:  # most lakes hold no text: what makes a table of Python values takes a second
        empty = "select '' as text_hash, '' as method, cast(0 as double) as score limit 0"
        return session.sql(empty)
    import pyarrow as pa  # noqa: PLC0415 - see above

    return pa.table(
        {
            "text_hash": pa.array(hashes, pa.string()),
            "method": pa.array([method] * len(hashes), pa.string()),
            "score": pa.array(scores, pa.float64()),
        }
    )
