"""First in, first out, and what a portfolio is worth, told in plain Python and in fractions.

One execution after the other, lot by lot: nothing here is like the SQL that it is compared with.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction


@dataclass(frozen=True)
class Fill:
    """One execution; `rate` and `fee_rate` convert into the base currency."""

    account: str
    execution_id: str
    executed_at: datetime
    instrument: str
    side: str
    quantity: Fraction
    price: Fraction
    fee: Fraction
    rate: Fraction = Fraction(1)
    fee_rate: Fraction = Fraction(1)


@dataclass(frozen=True)
class Split:
    """From `at` on there are `ratio` shares for each before."""

    at: datetime
    ratio: Fraction


@dataclass(frozen=True)
class Dividend:
    """Who holds a share at `at` gets `amount`, of shares as they are then."""

    at: datetime
    ex_date: date
    amount: Fraction


@dataclass
class Lot:
    """Units that one execution opened and another closed; quantities as of the day of entry."""

    opening: Fill
    direction: int
    quantity: Fraction
    closing: Fill | None = None
    factor: Fraction = Fraction(1)
    """Shares at the end for each at the entry."""
    dividends: dict[date, Fraction] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str | None]:
        closing = self.closing.execution_id if self.closing else None
        return (self.opening.account, self.opening.instrument, self.opening.execution_id, closing)

    @property
    def entry_amount(self) -> Fraction:
        return self.quantity * self.opening.price * self.opening.rate

    @property
    def exit_price(self) -> Fraction | None:
        return self.closing.price * self.factor if self.closing else None

    @property
    def exit_amount(self) -> Fraction:
        assert self.closing
        return self.quantity * self.factor * self.closing.price * self.closing.rate

    @property
    def entry_fee(self) -> Fraction:
        fill = self.opening
        return fill.fee * fill.fee_rate * self.quantity / fill.quantity

    @property
    def exit_fee(self) -> Fraction:
        fill = self.closing
        if fill is None:
            return Fraction(0)
        return fill.fee * fill.fee_rate * self.quantity * self.factor / fill.quantity


def match(
    fills: Iterable[Fill], splits: Sequence[Split] = (), dividends: Sequence[Dividend] = ()
) -> list[Lot]:
    """Return the lots of one account's executions in one instrument, closed ones and open ones."""
    happenings: list[tuple[datetime, int, str, Fill | Split | Dividend]] = [
        *((fill.executed_at, 2, fill.execution_id, fill) for fill in fills),
        *((split.at, 0, "", split) for split in splits),
        *((dividend.at, 1, "", dividend) for dividend in dividends),
    ]
    held: deque[Lot] = deque()
    closed: list[Lot] = []
    for *_, happening in sorted(happenings, key=lambda each: each[:3]):
        match happening:
            case Split(ratio=ratio):
                for lot in held:
                    lot.factor *= ratio
            case Dividend(amount=amount, ex_date=ex_date):
                for lot in held:
                    lot.dividends[ex_date] = lot.direction * lot.quantity * lot.factor * amount
            case Fill() as fill:
                closed += _trade(held, fill)
    return [*closed, *held]


def _trade(held: deque[Lot], fill: Fill) -> list[Lot]:
    """Close what stands on the other side, the oldest first; open the rest. Return what closed."""
    direction = 1 if fill.side == "buy" else -1
    left = fill.quantity
    closed = []
    while left and held and held[0].direction != direction:
        oldest = held[0]
        shares = oldest.quantity * oldest.factor
        if shares <= left:
            held.popleft()
            part = oldest
        else:
            share = left / shares
            part = Lot(
                oldest.opening,
                oldest.direction,
                oldest.quantity * share,
                factor=oldest.factor,
                dividends={day: paid * share for day, paid in oldest.dividends.items()},
            )
            oldest.quantity -= part.quantity
            oldest.dividends = {
                day: paid - part.dividends[day] for day, paid in oldest.dividends.items()
            }
        part.closing = fill
        closed.append(part)
        left -= part.quantity * part.factor
    if left:
        held.append(Lot(fill, direction, left))
    return closed


@dataclass(frozen=True)
class PriceBar:
    """A final bar and the number of shares, at its time, for each at the beginning of all."""

    start: datetime
    end: datetime
    high: float
    low: float
    close: Fraction
    shares: Fraction


def excursions(
    direction: int,
    entry_price: Fraction,
    entry_shares: Fraction,
    bars: Iterable[PriceBar],
    *,
    opened_at: datetime,
    until: datetime,
) -> tuple[float, float]:
    """Return the largest gain and the largest loss, by the bars wholly between two moments."""
    best = worst = 0.0
    for bar in bars:
        if opened_at <= bar.start and bar.end <= until:
            for price in (bar.high, bar.low):
                ratio = price * float(bar.shares / entry_shares) / float(entry_price) - 1
                best, worst = max(best, direction * ratio), min(worst, direction * ratio)
    return best, worst


def shares_at(splits: Iterable[Split], moment: datetime) -> Fraction:
    """Return how many shares there are at a moment for each at the beginning of all."""
    product = Fraction(1)
    for split in splits:
        if split.at <= moment:
            product *= split.ratio
    return product


def positions_at(
    fills: Iterable[Fill], splits: Mapping[str, Sequence[Split]], moment: datetime
) -> dict[str, Fraction]:
    """Return the shares of each instrument held just before a moment: sums of what was traded."""
    held: dict[str, Fraction] = {}
    for fill in fills:
        if fill.executed_at < moment:
            sign = 1 if fill.side == "buy" else -1
            of_instrument = splits.get(fill.instrument, ())
            since = shares_at(of_instrument, moment) / shares_at(of_instrument, fill.executed_at)
            held[fill.instrument] = (
                held.get(fill.instrument, Fraction(0)) + sign * fill.quantity * since
            )
    return {instrument: shares for instrument, shares in held.items() if shares}
