"""What Silver makes of Reddit: a post as it was each time it was looked at, and its mentions."""

from tests.dbt.warehouse import Warehouse, rows


def test_a_post_is_kept_as_it_changes(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select
            version_no, text, score, comment_count, cast(edited_at as varchar), is_removed,
            is_current, cast(available_at as varchar)
        from silver.social_posts
        where provider = 'reddit' and post_id = 't3_aaa'
        order by version_no
        """,
    )
    edited = "2024-03-01 01:00:00"
    assert [row[2:] for row in found] == [
        (10, 3, None, False, False, "2024-03-01 01:00:00"),
        (25, 8, edited, False, False, "2024-03-01 01:20:00"),
        (24, 8, edited, True, True, "2024-03-01 01:30:00"),
    ]
    assert [text for _, text, *_ in found][1:] == ["Never mind.", "[removed]"]


def test_a_post_says_where_and_when_it_was_made(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select community, author, cast(created_at as varchar), url
        from silver.social_posts
        where provider = 'reddit' and post_id = 't3_bbb'
        """,
    )
    assert found == [
        (
            "stocks",
            "an_author",
            "2024-03-01 00:00:10",
            "https://www.reddit.com/r/stocks/comments/bbb/what/",
        )
    ]


def test_cashtags_are_the_companies_of_the_sec(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select post_id, instrument_ids, unmapped_symbols from silver.social_posts
        where provider = 'reddit' and version_no = 1
        order by post_id
        """,
    )
    assert found == [
        ("t3_aaa", ["equity:OMG.B", "equity:ZETW"], []),
        ("t3_bbb", [], ["NOPE"]),
    ]


def test_cashtags_are_what_a_post_mentions(vendors: Warehouse) -> None:
    found = rows(
        vendors.database,
        """
        select post_id, provider_symbols from staging.stg_reddit__posts
        where _row = 0 and _fetched_at = timestamp '2024-03-01 01:00:00'
        """,
    )
    assert found == [("t3_aaa", ["OMG-B", "ZETW"])]
