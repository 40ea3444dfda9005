"""The published JSON Schemas are those of the models that check what is handed over.

A row or message has one verdict, whoever is asked; what only the model can refuse is in one list.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import inf
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.contracts.market_data import BrokenContractError, read_message
from ingest.contracts.trading import DIGITS_AFTER_POINT
from ingest.providers.inbox_formats import CONTRACTS
from ingest.schemas import FOLDER, SCHEMAS, schema_path, schema_text
from tests.ingest.test_serve import BAR, BREAKING, KEEPING, QUOTE, TRADE
from tests.ingest.test_trading_inbox import BAD, CANONICAL, DECISION, GOOD, SPELLED_WRONG

WORDS = {
    *jsonschema.Draft202012Validator.VALIDATORS,
    *("$schema", "$defs", "title", "description", "default", "then", "else"),
    *("contentMediaType", "contentSchema"),
}
EXACT_UNTIL = 2**53


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_that_of_its_model(name: str) -> None:
    assert schema_path(name).read_text(encoding="utf-8") == schema_text(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(name)))


def test_every_schema_has_its_model() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {
        schema_path(name).name for name in SCHEMAS
    }


def schemas_in(schema: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - any JSON
    """Yield a JSON Schema and those inside of it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            inner = list(value.values())
        else:
            inner = value if isinstance(value, list) else [value]
        for each in inner if name not in ("default", "const", "enum") else ():
            yield from schemas_in(each)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_has_no_word_that_validators_do_not_know(name: str) -> None:
    used = {word for schema in schemas_in(json.loads(schema_text(name))) for word in schema}
    assert {"type", "properties"} <= used <= WORDS


# -- one verdict -----------------------------------------------------------------------------------


def decimals(value: float) -> int:
    exponent = Decimal(repr(value)).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


@dataclass(frozen=True)
class Difference:
    """What the model refuses and JSON Schema lets pass: why, an example, and how it is known.

    Never the other way round: what a schema refuses is refused.
    """

    reason: str
    name: str
    example: Mapping[str, Any]
    is_of: Callable[[str, Any], bool]
    """Whether a field and its value is of this kind."""


DIFFERENCES = (
    Difference(
        "JSON Schema cannot count with the exponent of a number that is text",
        "executions",
        {"fee": "1e30"},
        lambda _, value: isinstance(value, str) and re.search(r"[0-9.][eE]", value) is not None,
    ),
    Difference(
        "JSON Schema cannot count the decimals of a JSON number: `multipleOf` is binary arithmetic",
        "executions",
        {"fee": 1e-19},
        lambda _, value: isinstance(value, float) and decimals(value) > DIGITS_AFTER_POINT,
    ),
    Difference(
        "a regular expression of all days there are would be longer than all the rest",
        "cash_movements",
        {"moved_at": "2026-02-30"},
        lambda _, value: (
            isinstance(value, str)
            and re.match(r" *[0-9]{4}-[0-9]{2}-(29|3[01])", value) is not None
        ),
    ),
    Difference(
        "`contentSchema`, which says what is in a text, is for reading: validators do not apply it",
        "decisions",
        {"provider_votes": '[{"provider": "a"}]'},
        lambda field, value: field == "provider_votes" and isinstance(value, str),
    ),
    Difference(
        "`$` is the end of a text in the standard, but may stand before a last newline in Python",
        "cash_movements",
        {"moved_at": "2026-01-02\n"},
        lambda _, value: isinstance(value, str) and value.endswith("\n"),
    ),
)


def values_in(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    """Yield every value with the name of its field."""
    yield field, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from values_in(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from values_in(each, field)


def is_different(row: Any) -> bool:  # noqa: ANN401 - any JSON
    return any(
        difference.is_of(field, value)
        for field, value in values_in(row)
        for difference in DIFFERENCES
    )


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(json.loads(schema_text(name)), format_checker=checker)


def number(text: str) -> float | int | Decimal:
    """Return a JSON number as validators see it, but large ones to the last digit."""
    value = float(text)
    if not EXACT_UNTIL < abs(value) < inf:
        return value
    exact = Decimal(text)
    return int(exact) if exact == int(exact) else exact


def decoded(text: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(text, parse_float=number)


def is_read_in_one_way(text: str) -> bool:
    """Return whether text is JSON of no doubled keys: a schema is asked of a value, not of text."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is there twice")
        return dict(pairs)

    def none(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        json.loads(text, object_pairs_hook=once, parse_constant=none)
    except (ValueError, RecursionError):
        return False
    return True


def verdicts(name: str, text: str) -> tuple[bool, bool]:
    """Return whether the model and the schema let a row or message pass."""
    row = decoded(text)
    try:
        if name == "messages":
            read_message(text)
        else:
            CONTRACTS[name].model_validate(row)
    except (ValidationError, BrokenContractError):
        return False, validator(name).is_valid(row)
    return True, validator(name).is_valid(row)


def row(name: str, **values: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps({**GOOD[name], **values})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, row(name)) for name in GOOD),
        *(
            ("executions", row("executions", asset_class=asset_class, symbol=f" {symbol} "))
            for asset_class, symbol in CANONICAL
        ),
        ("decisions", row("decisions", provider_votes=json.dumps(DECISION["provider_votes"]))),
        ("decisions", row("decisions", provider_votes=" []\n")),
        ("decisions", row("decisions", confidence=1, position_size=0, account_id=None)),
        ("decisions", row("decisions", confidence="-0.0", position_size="-0e5", strategy="s")),
        ("decisions", row("decisions", confidence=" 1. ", position_size=".5", reasoning="")),
        ("executions", row("executions", fee=-1.5, quantity="1e-18", price=f"{'0' * 30}1.50")),
        ("executions", row("executions", quantity=f"{'9' * 20}.{'9' * 18}", fee_currency=" X1 ")),
        ("executions", row("executions", decision_id=None, extra="is ignored")),
        ("cash_movements", row("cash_movements", kind="withdrawal", amount="-1000")),
        ("cash_movements", row("cash_movements", kind="fee", amount=-0.5)),
        ("cash_movements", row("cash_movements", moved_at=" 2026-01-02 03:04:05.123456789+0530")),
        *(("messages", text) for text in KEEPING),
        ("messages", BAR.replace('"trade_count":7', '"trade_count":7.0')),
        ("messages", TRADE.replace("T10:00:00.100Z", " 10:00-05:00")),
        ("messages", TRADE.replace("60000.10", "9.99999e23")),
    ],
)  # fmt: skip
def test_what_the_model_lets_pass_the_schema_does(name: str, text: str) -> None:
    assert verdicts(name, text) == (True, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, row(name, **change)) for name, change, _ in BAD),
        *((name, row(name, **{next(iter(GOOD[name])): ""})) for name in GOOD),
        *(
            (name, row(name, asset_class=asset_class, symbol=symbol))
            for name in ("decisions", "executions")
            for asset_class, symbols in SPELLED_WRONG.items()
            for symbol in symbols
        ),
        ("executions", row("executions", quantity=-5)),
        ("executions", row("executions", quantity="-5")),
        ("executions", row("executions", quantity="abc")),
        ("executions", row("executions", quantity="0.000")),
        ("executions", row("executions", fee=True)),
        ("executions", row("executions", price=None)),
        ("executions", row("executions", symbol="BTCUSD")),
        ("executions", row("executions", fee="0.0000000000000000001")),
        ("executions", row("executions", fee=10**20)),
        ("executions", row("executions", venue="\u00a0\t")),
        ("executions", row("executions", quote_currency="usd")),
        ("decisions", row("decisions", position_size=-1)),
        ("decisions", row("decisions", position_size="-1")),
        ("decisions", row("decisions", confidence="7")),
        ("decisions", row("decisions", confidence="1.01")),
        ("decisions", row("decisions", confidence=-0.01)),
        ("decisions", row("decisions", provider_votes=None)),
        ("decisions", row("decisions", provider_votes="{}")),
        ("decisions", row("decisions", provider_votes={})),
        ("decisions", row("decisions", decided_at=1767623400)),
        ("decisions", row("decisions", decided_at="2026-13-01")),
        ("decisions", row("decisions", decided_at="2026-01-02T24:00")),
        ("cash_movements", row("cash_movements", amount=0)),
        ("cash_movements", row("cash_movements", amount="-0.0")),
        ("cash_movements", row("cash_movements", amount=-5)),
        ("cash_movements", row("cash_movements", kind="withdrawal")),
        ("cash_movements", row("cash_movements", kind="withdrawal", amount=5)),
        ("cash_movements", row("cash_movements", moved_at="0000-01-02")),
        *(("messages", text) for text, _ in BREAKING if is_read_in_one_way(text)),
        ("messages", TRADE.replace("60000.10", "-1")),
        ("messages", QUOTE.replace("450.10", '"450.10"')),
    ],
)  # fmt: skip
def test_what_the_model_refuses_the_schema_does(name: str, text: str) -> None:
    by_model, by_schema = verdicts(name, text)
    assert not by_model
    assert not by_schema or is_different(decoded(text))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason)
def test_a_difference_is_one(difference: Difference) -> None:
    text = row(difference.name, **difference.example)
    assert verdicts(difference.name, text) == (False, True)
    ((field, value),) = difference.example.items()
    others = [other for other in DIFFERENCES if other.is_of(field, value)]
    assert others == [difference]


PADDING = st.sampled_from(["", "", "", " ", "\t", "\n", "\u00a0", "\x1c"])
FORMS = st.one_of(
    st.from_regex(r"[+-]?0*[0-9]{0,22}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,8})?", fullmatch=True),
    st.from_regex(r"[+-]?0*[01]?\.?[0-9]{0,3}", fullmatch=True),
    st.from_regex(r"(0000|0[0-9]{3}|202[0-9])-[01][0-9]-[0-3][0-9]", fullmatch=True),
    st.from_regex(
        r"2026-01-02[T t][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{1,10})?)?"
        r"([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?",
        fullmatch=True,
    ),
    st.from_regex(r"\^?[A-Za-z0-9]{0,4}[-./]?[A-Z0-9]{0,6}", fullmatch=True),
    st.text("AZaz09 .-+/\t\n\x1c\x85\u00a0\u0661\ufeff", max_size=6),
    st.sampled_from(["NaN", "Infinity", "1_000", "buy", "deposit", "withdrawal", "crypto", "1d"]),
)  # fmt: skip
SCALARS = st.one_of(
    st.tuples(PADDING, FORMS, PADDING).map("".join),
    st.integers(-2, 2),
    st.integers(),
    st.sampled_from([10**20 - 1, 10**20, -(10**20), 10**24 - 1, 10**24, 1e20, 1e24, -0.0, 0.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
VOTES = st.lists(
    st.fixed_dictionaries(
        {"provider": st.just("a") | SCALARS, "action": st.sampled_from(["buy", "hold", "x"])},
        optional={"confidence": st.just(1) | SCALARS, "weight": st.just("1") | SCALARS},
    ),
    max_size=2,
)
VALUES = SCALARS | VOTES | VOTES.map(json.dumps) | st.dictionaries(st.just("a"), SCALARS)


@pytest.mark.parametrize("name", [*GOOD, "messages"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_verdicts_agree_on_anything(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([TRADE, QUOTE, BAR])) if name == "messages" else row(name)
    fields: dict[str, Any] = json.loads(good)
    for field in data.draw(st.lists(st.sampled_from([*fields]), max_size=2, unique=True)):
        fields[field] = data.draw(VALUES, label=field)
    if data.draw(st.integers(0, 9)) == 0:
        del fields[data.draw(st.sampled_from([*fields]))]
    text = json.dumps(fields)
    by_model, by_schema = verdicts(name, text)
    if by_model != by_schema:
        assert by_schema, "what a schema refuses, the model must"
        assert is_different(decoded(text))
