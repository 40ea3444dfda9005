"""The contract of a user's own trading records: decisions, executions and cash movements.

Each model is one record; `ingest/schemas/` holds the same as JSON Schema, for other programs. Rows
that break the contract are not landed but put aside with the reason. Values land as they were
written: nothing here changes one. Not for market data.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from ingest.symbols import canonical_example

ISO_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DIGITS_BEFORE_POINT = 20
DIGITS_AFTER_POINT = 18


def _iso_time(value: object) -> object:
    if isinstance(value, str) and not ISO_TIME.fullmatch(value.strip()):
        raise ValueError(
            "should be an ISO 8601 time such as 2024-01-31T15:30:00Z (UTC if no offset)"
        )
    return value.strip() if isinstance(value, str) else value


def _number(value: object) -> object:
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        raise ValueError("should be a number such as 1234.5, without thousands separators")
    return value.strip() if isinstance(value, str) else value


def _list(value: object) -> object:
    """Read a list that came as its JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"should be the JSON text of a list ({error})") from None


def _plain(value: Decimal) -> Decimal:
    """Refuse what the warehouse could not hold exactly."""
    exponent = value.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    if abs(value) >= Decimal(10) ** DIGITS_BEFORE_POINT or decimals > DIGITS_AFTER_POINT:
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


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Time = Annotated[datetime, BeforeValidator(_iso_time)]
Number = Annotated[
    Decimal, Field(allow_inf_nan=False), BeforeValidator(_number), AfterValidator(_plain)
]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_number)]
Currency = Annotated[str, StringConstraints(pattern=r"^\s*[A-Z0-9]{2,12}\s*$")]
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
    weight: Annotated[Number, Field(ge=0)] = Field(description="Its weight in the decision")


class Decision(_Record):
    """A decision to buy, sell or hold, by a human or a program, with the votes behind it."""

    decision_id: Text
    decided_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    symbol: Text = Field(description="Canonical: `BRK.B`, `BTC/USD`")
    asset_class: AssetClass
    timeframe: Timeframe = Field(description="Timeframe of the bars it looked at")
    action: Action
    confidence: Share = Field(description="0 to 1")
    position_size: Annotated[Number, Field(ge=0)] = Field(
        description="How much to hold or trade, in the unit the strategy uses"
    )
    method: Literal["debate", "voting", "fallback", "single"]
    provider_votes: Annotated[list[ProviderVote], BeforeValidator(_list)] = Field(
        description="A list of {provider, action, confidence, weight}; in CSV its JSON text"
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

    execution_id: Text
    order_id: Text
    decision_id: Text | None = Field(None, description="The decision it carries out")
    account_id: Text
    strategy: Text | None = None
    executed_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    symbol: Text = Field(description="Canonical: `BRK.B`, `BTC/USD`")
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

    movement_id: Text
    account_id: Text
    moved_at: Time = Field(description="ISO 8601; UTC when it has no offset")
    currency: Currency
    amount: Annotated[Number, AfterValidator(_not_zero)] = Field(
        description="Above zero into the account, below zero out of it"
    )
    kind: Literal["deposit", "withdrawal", "dividend", "interest", "fee", "opening"]

    @model_validator(mode="after")
    def _sign_fits_kind(self) -> "CashMovement":
        if self.kind == "deposit" and self.amount < 0:
            raise ValueError("the amount of a deposit should be above 0")
        if self.kind == "withdrawal" and self.amount > 0:
            raise ValueError("the amount of a withdrawal should be below 0")
        return self
