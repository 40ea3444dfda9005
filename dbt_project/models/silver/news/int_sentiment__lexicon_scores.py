"""Score each new text once with VADER's lexicon, and keep the scores of earlier builds.

C.J. Hutto, E. Gilbert (2014): VADER, a parsimonious rule-based model for sentiment analysis of
social media text.
Source: https://github.com/cjhutto/vaderSentiment
"""  # noqa: INP001 - dbt reads it, nobody imports it

from importlib.metadata import version
from typing import Any

import pyarrow as pa
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


def model(dbt: Any, session: Any) -> pa.Table:  # noqa: ANN401 - dbt has no types for them
    """Return one row per text without a score: the hash of the text, the method, the score."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="append",
        contract={"enforced": False},
        meta={"libraries": ["vaderSentiment"]},
    )
    texts = dbt.ref("int_sentiment__texts")
    unscored = texts.filter("overall_score is null and text is not null")
    unscored = unscored.aggregate("text_hash, any_value(text) as text")
    if dbt.is_incremental:
        known = session.sql(f"select text_hash from {dbt.this}")
        unscored = unscored.join(known, "text_hash", how="anti")
    score = SentimentIntensityAnalyzer().polarity_scores
    hashes, scores = [], []
    for text_hash, text in unscored.iter_rows():
        hashes.append(text_hash)
        scores.append(score(text)["compound"])
    return pa.table(
        {
            "text_hash": pa.array(hashes, pa.string()),
            "method": pa.array([f"vader-{version('vaderSentiment')}"] * len(hashes), pa.string()),
            "score": pa.array(scores, pa.float64()),
        }
    )
