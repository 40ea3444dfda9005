"""What Reddit sends, landed as its loader lands it: one post as it changes."""

from tests.dbt.landing import Landing

Record = dict[str, str | None]


def post(name: str, score: str, **changed: str | None) -> Record:
    """Return a post of 2024-03-01T00:00:10Z as a snapshot of that score shows it."""
    return {
        "id": name.removeprefix("t3_"),
        "name": name,
        "subreddit": "stocks",
        "title": "What of $ZETW?",
        "selftext": "It costs $12, say $OMG.B holders. US$AAPL is no ticker.",
        "author": "an_author",
        "created_utc": "1709251210.0",
        "edited": "false",
        "score": score,
        "num_comments": "3",
        "permalink": f"/r/stocks/comments/{name.removeprefix('t3_')}/what/",
        "removed_by_category": None,
        **changed,
    }


def land(lake: Landing) -> None:
    """Land four snapshots: as posted, the same again, edited and liked, and taken down."""
    edited = {"selftext": "Never mind.", "edited": "1709254800.0", "num_comments": "8"}
    removed: Record = {**edited, "selftext": "[removed]", "removed_by_category": "moderator"}
    snapshots = {
        "2024-03-01T01:00Z": [
            post("t3_aaa", "10"),
            post("t3_bbb", "-2", title="$NOPE", selftext=None),
        ],
        "2024-03-01T01:10Z": [
            post("t3_aaa", "10"),
            post("t3_bbb", "-2", title="$NOPE", selftext=None),
        ],
        "2024-03-01T01:20Z": [post("t3_aaa", "25", **edited)],
        "2024-03-01T01:30Z": [post("t3_aaa", "24", **removed)],
    }
    for fetched, posts in snapshots.items():
        lake.land("reddit", "posts", posts, fetched=fetched, symbol="stocks")
