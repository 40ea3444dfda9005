"""The contract of a user's own trading records: decisions, executions and cash movements.

Each model is one record; `ingest/schemas/` holds the same as JSON Schema, for other programs: where
a check here is a function, what it says there stands beside it. Rows that break the contract are
not landed but put aside with the reason. Values land as they were written: nothing here changes
one. Not for market data.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from ingest.contracts.forms import CLOCK, DATE, OFFSET, symbol_rule, whole
from ingest.symbols import canonical_example

SPACE = " "
"""What may stand around a value: SQL takes no other white space off all of them."""
AROUND = f"{SPACE}*"
VISIBLE = "[^\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"

ISO_TIME = re.compile(f"{DATE}([T ]{CLOCK}{OFFSET}?)?")

DIGITS_BEFORE_POINT = 20
DIGITS_AFTER_POINT = 18
TOO_LARGE = 10**DIGITS_BEFORE_POINT

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
SCALED = r"([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+"
FORM = (
    rf"[+-]?(0*[0-9]{{1,{DIGITS_BEFORE_POINT}}}(\.[0-9]{{0,{DIGITS_AFTER_POINT}}})?"
    rf"|\.[0-9]{{1,{DIGITS_AFTER_POINT}}}|{SCALED})"
)
FORM_OF_SHARE = (
    r"[+]?(0+(\.[0-9]*)?|\.[0-9]+|0*1(\.0*)?)|-(0+(\.0*)?|\.0+)"
    rf"|[+-]?({SCALED})"
)
BOUNDED: dict[str, Any] = {
    "exclusiveMinimum": -TOO_LARGE,
    "exclusiveMaximum": TOO_LARGE,
}
ABOVE_ZERO: dict[str, Any] = {"exclusiveMinimum": 0, "pattern": rf"^{AROUND}[+]?[0.]*[1-9]"}
BELOW_ZERO: dict[str, Any] = {"exclusiveMaximum": 0, "pattern": rf"^{AROUND}-[0.]*[1-9]"}
NOT_ZERO: dict[str, Any] = {"not": {"const": 0}, "pattern": rf"^{AROUND}[+-]?[0.]*[1-9]"}
NOT_NEGATIVE: dict[str, Any] = {
    "minimum": 0,
    "pattern": rf"^{AROUND}([+]?[0-9.]|-[0.]+([eE]|{AROUND}$))",
}
"""Bounds are of a number, patterns of its text: neither keyword concerns the other."""


def _iso_time(value: object) -> str:
    text = value.strip(SPACE) if isinstance(value, str) else ""
    if not ISO_TIME.fullmatch(text):
        raise ValueError(
            "should be an ISO 8601 time such as 2024-01-31T15:30:00Z (UTC if no offset)"
        )
    return text


def _number(value: object) -> object:
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip(SPACE)):
        raise ValueError("should be a number such as 1234.5, without thousands separators")
    return value.strip(SPACE) if isinstance(value, str) else value


def _trimmed(value: object) -> object:
    return value.strip(SPACE) if isinstance(value, str) else value


def _list(value: object) -> object:
    """Read a list that came as its JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"should be the JSON text of a list ({error})") from None


def _list_or_text(schema: dict[str, Any]) -> None:
    """Say in JSON Schema that a list may come as its JSON text."""
    of_items = {"items": schema.pop("items")}
    schema.pop("type")
    schema["oneOf"] = [
        {"type": "array", **of_items},
        {
            "type": "string",
            "pattern": r"^[ \t\n\r]*\[(.|\n|\r)*\][ \t\n\r]*$",
            "contentMediaType": "application/json",
            "contentSchema": {"type": "array", **of_items},
        },
    ]


def _plain(value: Decimal) -> Decimal:
    """Refuse what the warehouse could not hold exactly."""
    exponent = value.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    # Not abs(): it rounds, and overflows for an exponent of some digits.
    if value.copy_abs() >= TOO_LARGE or decimals > DIGITS_AFTER_POINT:
        raise ValueError(
            f"should have at most {DIGITS_BEFORE_POINT} digits before and {DIGITS_AFTER_POINT}"
            " after the point"
        )
    return value


def _check_symbol(symbol: str, asset_class: str) -> None:
    """Refuse a symbol that would become an instrument of its own, which nothing has prices for."""
    if example := canonical_example(symbol, asset_class):
        raise ValueError(
            f"symbol {symbol!r} is not canonical for {asset_class}: write it like {example}"
        )


def _not_zero(value: Decimal) -> Decimal:
    if value == 0:
        raise ValueError("should not be 0")
    return value


def _published(*rules: dict[str, Any], form: str = FORM) -> WithJsonSchema:
    """Return the JSON Schema of a number, or its text, of which `rules` hold."""
    written = {"pattern": whole(form, AROUND)}
    return WithJsonSchema({"type": ["number", "string"], "allOf": [written, *rules]})


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    WithJsonSchema({"type": "string", "pattern": VISIBLE}),
]
Symbol = Annotated[
    str, BeforeValidator(_trimmed), Field(description="Canonical: `BRK.B`, `BTC/USD`")
]
Time = Annotated[
    datetime,
    BeforeValidator(_iso_time),
    WithJsonSchema({"type": "string", "pattern": whole(ISO_TIME.pattern, AROUND)}),
]
_Decimal = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(_number)]
Number = Annotated[_Decimal, AfterValidator(_plain), _published(BOUNDED)]
Positive = Annotated[Number, Field(gt=0), _published(BOUNDED, ABOVE_ZERO)]
NotNegative = Annotated[Number, Field(ge=0), _published(BOUNDED, NOT_NEGATIVE)]
NotZero = Annotated[Number, AfterValidator(_not_zero), _published(BOUNDED, NOT_ZERO)]
Share = Annotated[
    _Decimal,
    Field(ge=0, le=1),
    _published(NOT_NEGATIVE, {"maximum": 1}, form=FORM_OF_SHARE),
]
Currency = Annotated[str, StringConstraints(pattern=whole("[A-Z0-9]{2,12}", AROUND))]
AssetClass = Literal["equity", "crypto", "fx"]
Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Action = Literal["buy", "sell", "hold"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProviderVote(_Record):
    """What one signal provider said towards a decision."""

    provider: Text = Field(description="Name of the signal provider")
    action: Action
    confidence: Share = Field(description="0 to 1")
    weight: NotNegative = Field(description="Its weight in the decision")


class Decision(_Record):
    """A decision to buy, sell or hold, by a human or a program, with the votes behind it."""

    model_config = ConfigDict(json_schema_extra={"allOf": [symbol_rule(AROUND)]})

    decision_id: Text
    decided_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    symbol: Symbol
    asset_class: AssetClass
    timeframe: Timeframe = Field(description="Timeframe of the bars it looked at")
    action: Action
    confidence: Share = Field(description="0 to 1")
    position_size: NotNegative = Field(
        description="How much to hold or trade, in the unit the strategy uses"
    )
    method: Literal["debate", "voting", "fallback", "single"]
    provider_votes: Annotated[list[ProviderVote], BeforeValidator(_list)] = Field(
        description="A list of {provider, action, confidence, weight}; in CSV its JSON text",
        json_schema_extra=_list_or_text,
    )
    account_id: Text | None = None
    strategy: Text | None = None
    reasoning: str | None = None

    @model_validator(mode="after")
    def _symbol_is_canonical(self) -> Self:
        _check_symbol(self.symbol, self.asset_class)
        return self


class Execution(_Record):
    """One fill of an order."""

    model_config = ConfigDict(json_schema_extra={"allOf": [symbol_rule(AROUND)]})

    execution_id: Text
    order_id: Text
    decision_id: Text | None = Field(None, description="The decision it carries out")
    account_id: Text
    strategy: Text | None = None
    executed_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    symbol: Symbol
    asset_class: AssetClass
    side: Literal["buy", "sell"]
    quantity: Positive
    price: Positive = Field(description="In `quote_currency` for one unit")
    quote_currency: Currency
    fee: Number = Field(description="Negative for a rebate")
    fee_currency: Currency
    venue: Text

    @model_validator(mode="after")
    def _symbol_is_canonical(self) -> Self:
        _check_symbol(self.symbol, self.asset_class)
        return self


class CashMovement(_Record):
    """Money that came into an account or left it, other than by trading."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": kind}}},
                    "then": {"properties": {"amount": sign}},
                }
                for kind, sign in (("deposit", ABOVE_ZERO), ("withdrawal", BELOW_ZERO))
            ]
        }
    )

    movement_id: Text
    account_id: Text
    moved_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    currency: Currency
    amount: NotZero = Field(description="Above zero into the account, below zero out of it")
    kind: Literal["deposit", "withdrawal", "dividend", "interest", "fee", "opening"]

    @model_validator(mode="after")
    def _sign_fits_kind(self) -> "CashMovement":
        if self.kind == "deposit" and self.amount < 0:
            raise ValueError("the amount of a deposit should be above 0")
        if self.kind == "withdrawal" and self.amount > 0:
            raise ValueError("the amount of a withdrawal should be below 0")
        return self
