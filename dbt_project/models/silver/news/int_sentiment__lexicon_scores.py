"""Score each text once with VADER's lexicon: what this version has scored is taken over.

C.J. Hutto, E. Gilbert (2014): VADER, a parsimonious rule-based model for sentiment analysis of
social media text.
Source: https://github.com/cjhutto/vaderSentiment
"""  # noqa: INP001 - dbt reads it, nobody imports it

from importlib.metadata import version
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


def model(dbt: Any, session: Any) -> Any:  # noqa: ANN401 - dbt has no types for them
    """Return one row per text that no vendor scored: its hash, the method, the score."""
    dbt.config(materialized="table", contract={"enforced": False})
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
    known = {}
    if is_there:
        query = f"select text_hash, score from {schema}.{table} where method = ?"
        known = dict(session.execute(query, [method]).fetchall())
    score = SentimentIntensityAnalyzer().polarity_scores
    hashes, scores = [], []
    for text_hash, text in texts.order("text_hash").iter_rows():
        hashes.append(text_hash)
        scores.append(known[text_hash] if text_hash in known else score(text)["compound"])
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
