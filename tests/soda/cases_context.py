"""Promises of what decisions knew, and what breaks each."""

from tests.soda.cases import Case

ONE = (
    "decision_id = (select min(decision_id) from silver.decision_history"
    " where bar_start_at is not null and not is_restated_context)"
)
TABLE = "silver.decision_history"

CASES_CONTEXT: dict[tuple[str, str], Case] = {
    (TABLE, "context_is_not_of_after_the_decision"): Case(
        f"update {TABLE} set context_available_at = decided_at + interval 1 second where {ONE}"
    ),
    (TABLE, "context_is_there_where_a_bar_was_known"): Case(
        f"update {TABLE} set bar_start_at = null where {ONE}"
    ),
    (TABLE, "context_is_what_is_known_unless_it_was_corrected"): Case(
        f"update {TABLE} set close = close * 2 where {ONE}"
    ),
    (TABLE, "context_is_rarely_corrected"): Case(f"update {TABLE} set is_restated_context = true"),
    (TABLE, "contexts_keep_their_share"): Case(
        f"update {TABLE} set bar_start_at = null",
        published="select 1",
        also=frozenset({"context_is_there_where_a_bar_was_known"}),
    ),
}
