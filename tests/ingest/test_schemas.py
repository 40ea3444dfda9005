"""The published JSON Schemas are those of the models that check what is handed over."""

import json

import jsonschema
import pytest

from ingest.schemas import FOLDER, SCHEMAS, schema_path, schema_text


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_that_of_its_model(name: str) -> None:
    assert schema_path(name).read_text(encoding="utf-8") == schema_text(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(name)))


def test_every_schema_has_its_model() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {
        schema_path(name).name for name in SCHEMAS
    }
