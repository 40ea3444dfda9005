"""The data contracts of messages that other programs send: what a trade, quote and bar must be.

A message that keeps its contract lands with its values as they were written; one that breaks it is
refused with every reason. Contracts judge form (names, types, spelling), not sense: whether a high
is above a low is for SQL, which quarantines. The JSON Schema of all is `json_schema()`; where a
check here is a function, what it says there stands beside it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ingest.contracts.forms import CLOCK, DATE, OFFSET, symbol_rule, whole
from ingest.provider import Dataset, fields
from ingest.records import JsonNumber, decode_json
from ingest.symbols import canonical_example

PROVIDER = "serve"
TOO_LARGE = 10**24
BOUNDED = {"exclusiveMinimum": -TOO_LARGE, "exclusiveMaximum": TOO_LARGE}

MOMENT = re.compile(f"{DATE}[T ]{CLOCK}{OFFSET}")


def _number(value: object) -> Decimal:
    """Return a JSON number as a decimal; text that looks like one is none."""
    if not isinstance(value, Decimal):
        raise PydanticCustomError("number_type", "Input should be a JSON number")
    # Not abs(): it overflows for an exponent of some digits.
    if not value.is_finite() or value.copy_abs() >= TOO_LARGE:
        raise PydanticCustomError("finite_number", "Input should be finite and below 1e24")
    return value


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise PydanticCustomError("greater_than", "Input should be greater than 0")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise PydanticCustomError("greater_than_equal", "Input should not be below 0")
    return value


def _whole(value: Decimal) -> Decimal:
    if value != value.to_integral_value():
        raise PydanticCustomError("int_type", "Input should be a whole number")
    return value


def _moment(value: object) -> datetime:
    """Return RFC 3339 text with an offset as a time; seconds may be left out."""
    if not isinstance(value, str):
        raise PydanticCustomError("time_type", "Input should be a time as RFC 3339 text")
    if not MOMENT.fullmatch(value):
        raise PydanticCustomError(
            "time_parsing", "Input should be an RFC 3339 time with an offset, such as Z"
        )
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("time_parsing", "Input should be a day that there is") from None


Number = Annotated[Decimal, PlainValidator(_number), WithJsonSchema({"type": "number", **BOUNDED})]
Price = Annotated[
    Number,
    AfterValidator(_positive),
    WithJsonSchema({"type": "number", **BOUNDED, "exclusiveMinimum": 0}),
]
Size = Annotated[
    Number,
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "number", "minimum": 0, "exclusiveMaximum": TOO_LARGE}),
]
Count = Annotated[
    Size,
    AfterValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "exclusiveMaximum": TOO_LARGE}),
]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": whole(MOMENT.pattern)}),
]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]


class _Contract(BaseModel):
    """What all messages have: who says it, and of what."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, json_schema_extra={"allOf": [symbol_rule()]}
    )

    source: Annotated[Name, Field(description="Name of the program that sends, as it calls itself")]
    asset_class: Literal["equity", "crypto", "fx"]
    symbol: Annotated[
        str, Field(description="Canonical: `BRK.B` for share classes, `BTC/USD` for pairs")
    ]

    @model_validator(mode="after")
    def _symbol_is_canonical(self) -> "_Contract":
        if example := canonical_example(self.symbol, self.asset_class):
            raise PydanticCustomError(
                "symbol",
                "Input should be a canonical symbol of its asset class, such as {example}",
                {"example": example},
            )
        return self


class Trade(_Contract):
    """One trade; `trade_id` is unique per symbol of the source."""

    kind: Literal["trade"]
    trade_id: Name
    traded_at: Moment
    price: Price
    size: Size
    side: Literal["buy", "sell"] | None = None
    conditions: Annotated[str, StringConstraints(strict=True, max_length=200)] | None = None


class Quote(_Contract):
    """The best bid and offer from a moment on."""

    kind: Literal["quote"]
    quoted_at: Moment
    bid_price: Price
    bid_size: Size
    ask_price: Price
    ask_size: Size


class Bar(_Contract):
    """One bar, labelled by its start; a later one of the same start replaces it."""

    kind: Literal["bar"]
    timeframe: Literal["1m", "5m", "15m", "1h", "4h", "1d"]
    bar_start_at: Moment
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    vwap: Price | None = None
    trade_count: Count | None = None


AnyMessage = Annotated[Trade | Quote | Bar, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Trade | Quote | Bar] = TypeAdapter(AnyMessage)

DATASET_OF: Mapping[str, str] = {"trade": "trades", "quote": "quotes", "bar": "bars"}


def _dataset(name: str, contract: type[_Contract], timeframes: tuple[str, ...] = ()) -> Dataset:
    columns = [column for column in contract.model_fields if column != "kind"]
    return Dataset(name, fields(*columns), timeframes=timeframes)


DATASETS: Mapping[str, Dataset] = {
    "trades": _dataset("trades", Trade),
    "quotes": _dataset("quotes", Quote),
    "bars": _dataset("bars", Bar, ("1m", "5m", "15m", "1h", "4h", "1d")),
}


class BrokenContractError(ValueError):
    """A message that breaks its contract; `errors` says where and how, one by one."""

    def __init__(self, errors: list[dict[str, str]], kind: object = None) -> None:
        super().__init__("; ".join(f"{error['at']}: {error['message']}" for error in errors))
        self.errors = errors
        self.kind = kind if isinstance(kind, str) and kind in DATASET_OF else "unknown"
        # What names no kind counts with the trades.
        self.dataset = DATASET_OF.get(self.kind, "trades")


def read_message(text: str) -> tuple[Trade | Quote | Bar, dict[str, Any]]:
    """Return a message as its contract reads it, and as a record with values as written.

    Raises:
        BrokenContractError: it is no JSON, or not what its contract says.
    """
    try:
        raw = decode_json(text)
    except ValueError as error:
        raise BrokenContractError(
            [{"at": "message", "type": "json", "message": f"not JSON: {error}"}]
        ) from None
    kind = raw.get("kind") if isinstance(raw, dict) else None
    try:
        message = _ADAPTER.validate_python(_typed(raw))
    except ValidationError as error:
        raise BrokenContractError(
            [
                {
                    "at": ".".join(map(str, each["loc"])) or "message",
                    "type": each["type"],
                    "message": each["msg"],
                }
                for each in error.errors(include_input=False, include_url=False)
            ],
            kind,
        ) from None
    return message, {name: value for name, value in raw.items() if name != "kind"}


def _typed(raw: object) -> object:
    """Return a message whose numbers, kept as their text until here, are told from strings."""
    if not isinstance(raw, dict):
        return raw
    return {name: _decimal(v) if isinstance(v, JsonNumber) else v for name, v in raw.items()}


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimals have
        return Decimal("Infinity")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of all messages."""
    schema = _ADAPTER.json_schema()
    del schema["discriminator"]  # a word of OpenAPI; `kind` is a constant of each
    return schema
