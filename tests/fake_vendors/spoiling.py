"""Good answers with their rows in disorder, whatever vendor they are of.

Nothing here knows the code under test.
"""

import json
import random
import re
from typing import Any


def rearranged(text: str, chance: random.Random, *, is_doubled: bool, is_shuffled: bool) -> str:
    """Return an answer with its rows in another order, or some of them twice."""

    def mixed(rows: list[Any]) -> list[Any]:
        rows = [*rows, *chance.sample(rows, len(rows) // 2 + 1)] if is_doubled else [*rows]
        if is_shuffled:
            chance.shuffle(rows)
        return rows

    def walk(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            items = [(key, walk(inner)) for key, inner in value.items()]
            return dict(chance.sample(items, len(items)) if is_shuffled else items)
        if isinstance(value, list):
            is_rows = len(value) > 1 and all(isinstance(each, dict | list) for each in value)
            return mixed([walk(each) for each in value]) if is_rows else value
        return value

    if text[:1] not in ("{", "["):
        header, *lines = text.splitlines()
        return "\n".join([header, *mixed(lines), ""])
    # Numbers keep their text: marked when read, and unmarked when written.
    marks = {"parse_float": "\0{}\0".format, "parse_int": "\0{}\0".format}
    again = json.dumps(walk(json.loads(text, **marks)))
    return re.sub(r'"\\u0000(.*?)\\u0000"', r"\1", again)
