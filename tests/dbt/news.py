"""Articles and posts, good and bad, as the inbox lands them."""

import json

from tests.dbt.landing import Landing

Record = dict[str, str]


def article(article_id: str, headline: str, **changed: str) -> Record:
    """Return an article on one share, published on 2024-01-10."""
    return {
        "article_id": article_id,
        "published_at": "2024-01-10T12:00:00Z",
        "headline": headline,
        "url": f"https://news.example/{article_id}",
        "source": "Example News",
        "asset_class": "equity",
        "symbols": json.dumps(["NEW"]),
        **changed,
    }


def post(post_id: str, title: str, **changed: str) -> Record:
    """Return a post on one coin as it was an hour after it was written."""
    return {
        "post_id": post_id,
        "created_at": "1704888000.0",  # 2024-01-10T12:00:00Z
        "fetched_at": "2024-01-10T13:00:00Z",
        "community": "coins",
        "title": title,
        "text": "It is what it is.",
        "author": "someone",
        "score": "5",
        "comment_count": "2",
        "asset_class": "crypto",
        "symbols": "BTC/USD",
        **changed,
    }


GOOD_NEWS = "NEW reports excellent results, great outlook"
BAD_NEWS = "NEW in terrible trouble: fraud, losses and a bad outlook"
ARTICLES = (
    article("a-1", GOOD_NEWS, summary="<p>Very good.</p>"),
    article("a-2", BAD_NEWS, sentiment_score="-0.9", symbols="NEW; OLD"),
    article("a-3", "Nothing happened", updated_at="2024-01-11T08:00:00Z", symbols=""),
    article("a-4", "Of no kind", asset_class="", symbols="NEW"),
)
POSTS = (
    post("p-1", "I love this coin"),
    post("p-1", "I love this coin", score="50", fetched_at="2024-01-10T15:00:00Z"),
    post("p-1", "I love this coin", text="[removed]", fetched_at="2024-01-11T13:00:00Z"),
    post("p-2", "Horrible scam", text="", score="-3.0", symbols=""),
)
REFUSED_ARTICLES = {
    "no id": (article("", GOOD_NEWS), ["missing_value"]),
    "no text": (article("b-1", ""), ["missing_value"]),
    "no time": (article("b-2", GOOD_NEWS, published_at=""), ["missing_value"]),
    "no such day": (article("b-3", GOOD_NEWS, published_at="2024-02-30"), ["unreadable_time"]),
    "changed never": (article("b-4", GOOD_NEWS, updated_at="soon"), ["unreadable_time"]),
    "too good": (article("b-7", GOOD_NEWS, sentiment_score="1.5"), ["score_out_of_range"]),
    "no number": (article("b-5", GOOD_NEWS, sentiment_score="high"), ["not_a_number"]),
    "tomorrow": (
        article("b-6", GOOD_NEWS, published_at="2024-01-22T12:00:00Z"),
        ["time_in_future"],
    ),
}
REFUSED_POSTS = {
    "no id": (post("", "x"), ["missing_value"]),
    "no text": (post("q-1", "", text=""), ["missing_value"]),
    "no such time": (post("q-2", "x", created_at="1e400"), ["unreadable_time"]),
    "seen never": (post("q-3", "x", fetched_at="never"), ["unreadable_time"]),
    "half a vote": (post("q-4", "x", score="1.5"), ["not_a_number"]),
    "tomorrow": (post("q-5", "x", fetched_at="2024-01-22T12:00:00Z"), ["time_in_future"]),
}
"""Records that Silver refuses, and why."""


def land_news(lake: Landing, *, bad: bool) -> None:
    """Land articles and posts, of which one article is told again and one is changed."""
    refused = [record for record, _ in REFUSED_ARTICLES.values()] if bad else []
    lake.land("inbox", "news_articles", [*ARTICLES, *refused], fetched="2024-01-21T00:00Z")
    changed = {**ARTICLES[0], "headline": BAD_NEWS, "updated_at": "2024-01-21T20:00:00Z"}
    lake.land("inbox", "news_articles", [ARTICLES[1], changed], fetched="2024-01-22T00:00Z")
    refused = [record for record, _ in REFUSED_POSTS.values()] if bad else []
    lake.land("inbox", "social_posts", [*POSTS, *refused], fetched="2024-01-21T00:00Z")


def land_latecomers(lake: Landing) -> None:
    """Land what was told between, and a listing by which one of the articles mentions a share."""
    first = {**ARTICLES[0], "headline": "At first it was this", "summary": ""}
    lake.land("inbox", "news_articles", [first], fetched="2024-01-20T00:00Z")
    between = post("p-1", "I love this coin", score="20", fetched_at="2024-01-10T14:00:00Z")
    lake.land("inbox", "social_posts", [between], fetched="2024-01-23T00:00Z")
    lake.land("inbox", "instruments", [share("NEW")], fetched="2024-01-09T00:00Z")


def share(symbol: str) -> Record:
    """Return the listing of a share."""
    return {
        "listing_id": symbol,
        "asset_class": "equity",
        "symbol": symbol,
        "name": f"{symbol} Inc.",
        "exchange": "XNYS",
        "currency": "USD",
        "status": "active",
    }
