"""JSON Schemas of what people and programs hand over, generated from the models that check it.

`python -m ingest.schemas` writes them anew after a model has changed. Both have one verdict, but
for the few rules that JSON Schema cannot express: the model refuses more, and `test_schemas.py`
lists what. Not for the formats of vendors: those are not ours to define.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ingest.contracts import market_data
from ingest.providers.inbox_formats import CONTRACTS
from ingest.pulls import PullsFile

FOLDER = Path(__file__).parent
SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    **{name: model.model_json_schema for name, model in CONTRACTS.items()},
    "messages": market_data.json_schema,
    "pulls": PullsFile.model_json_schema,
}
"""By name: a row of an inbox file, a message to `tapehouse serve`, the pulls file."""


def schema_text(name: str) -> str:
    """Return a JSON Schema as it is published."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def schema_path(name: str) -> Path:
    """Return where a schema is published."""
    return FOLDER / f"{name}.schema.json"


def write_all() -> None:
    """Write every schema."""
    for name in SCHEMAS:
        schema_path(name).write_text(schema_text(name), encoding="utf-8")
