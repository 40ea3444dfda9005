"""Lots and portfolios of thousands of random accounts, against plain Python in fractions.

Each history is an account of its own; all are in one lake and one build. Long and short, flips
through zero, partial closes, splits into more and into fewer, a dozen stock dividends, fees and
rebates, several executions at one moment, trades after hours, in another currency, currencies whose
day begins the evening before, instruments without a price.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.clock import iso
from ingest.settings import DataDir
from tests.dbt.landing import DAY, HOUR, Bar, Landing, inbox_bars, sessions
from tests.dbt.trading import TRADING_FAMILY
from tests.dbt.trading_oracle import (
    Dividend,
    Fill,
    Lot,
    PriceBar,
    Split,
    excursions,
    match,
    positions_at,
    shares_at,
)
from tests.dbt.warehouse import WITHOUT_TESTS, Warehouse, connect, rows

HISTORIES = 3000
FIRST, LAST = date(2024, 1, 2), date(2024, 2, 23)
NEW_YORK = ZoneInfo("America/New_York")
CENT = Fraction(1, 100)
TIGHT = Fraction(1, 10**6)
"""How far apart amounts may be: a cent is what is promised, this is what there is."""

END = datetime.combine(LAST + DAY, datetime.min.time(), UTC)
DAYS = [FIRST + number * DAY for number in range((LAST - FIRST).days + 1)]
SESSIONS = [day for day in DAYS if day.isoweekday() <= 5]
PAIR = "crypto:XXX/USD"
UNPRICED = "equity:NOBODY"
FX = "fx:AUD/USD"
ABROAD = "equity:ABROAD"
"""A stock that is traded, and charged for, in euros."""
EUROS = "crypto:EUR/USD"
"""What euros are worth: of every hour, so that there is a rate on Sundays."""
GROWN = "equity:GROWN"
"""A stock whose units have no room in whole numbers, so that lots are exact to the cent only."""
MODELS = (
    *("--select", "+fct_trades", "+mart_daily_portfolio_summary"),
    *("--indirect-selection", "cautious"),
)


def midnight(day: str) -> datetime:
    """Return the first moment of a day in New York."""
    return datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).astimezone(UTC)


SPLITS: Mapping[str, Sequence[Split]] = {
    "equity:TRIPLED": [Split(midnight("2024-01-18"), Fraction(3))],
    "equity:MERGED": [Split(midnight("2024-01-24"), Fraction(1, 10))],
    "equity:ODD": [
        Split(midnight("2024-01-16"), Fraction(1, 3)),
        Split(midnight("2024-02-06"), Fraction(3, 2)),
    ],
    "equity:PAYER": [Split(midnight("2024-02-01"), Fraction(2))],
    GROWN: [Split(midnight(f"{day}"), Fraction(103, 100)) for day in SESSIONS[4:28:2]],
}
RATIOS_AS_SENT = {
    ("equity:TRIPLED", "2024-01-18"): "3",
    ("equity:MERGED", "2024-01-24"): "0.1",
    ("equity:ODD", "2024-01-16"): "0.333333",
    ("equity:ODD", "2024-02-06"): "1.5",
    ("equity:PAYER", "2024-02-01"): "2",
    **{(GROWN, f"{day}"): "1.03" for day in SESSIONS[4:28:2]},
}
DIVIDENDS: Mapping[str, Sequence[Dividend]] = {
    "equity:PAYER": [
        Dividend(midnight(day), date.fromisoformat(day), Fraction(amount))
        for day, amount in (("2024-01-19", "0.25"), ("2024-02-01", "0.75"))
    ],
}
STOCKS = (
    *("equity:PLAIN", "equity:TRIPLED", "equity:MERGED", "equity:ODD", "equity:PAYER"),
    *(ABROAD, GROWN),
)
INSTRUMENTS = (*STOCKS, PAIR, FX, UNPRICED)


# -- what is landed --------------------------------------------------------------------------------


def random_fills(account: str, choose: random.Random, euros: Sequence[Bar]) -> list[Fill]:
    """Return a history that goes long and short, often through zero, often at the same moment."""
    instruments = choose.sample(INSTRUMENTS, k=choose.choice((1, 1, 2)))
    moments = [
        datetime.combine(choose.choice(DAYS), datetime.min.time(), UTC)
        # After midnight UTC it is still the day before in New York.
        + timedelta(hours=choose.choice((0, 3, 5, 10, 14, 15, 18, 21, 23)))
        + timedelta(minutes=choose.choice((0, 0, 30, 59)), microseconds=choose.choice((0, 0, 1)))
        for _ in range(choose.randint(2, 12))
    ]
    whole = choose.random() < 0.5
    fills = []
    for number in range(choose.randint(1, 30)):
        moment, instrument = choose.choice(moments), choose.choice(instruments)
        rate = euros_worth(euros, moment) if instrument == ABROAD else Fraction(1)
        quantity = (
            Fraction(choose.randint(1, 12))
            if whole or instrument == GROWN
            else Fraction(choose.randint(1, 10**9), 10 ** choose.choice((3, 8, 9)))
        )
        price = Fraction(choose.randint(1, 30000), choose.choice((1, 100, 1000)))
        fee = choose.choice((Fraction(0), Fraction(1), Fraction(-7, 1000), quantity * price / 1000))
        fills.append(
            Fill(
                account,
                # In no order of time, and names sort otherwise than numbers.
                f"e{choose.randrange(10**6)}-{number}",
                moment,
                instrument,
                choose.choice(("buy", "sell")),
                quantity,
                price,
                Fraction(round(fee * 10**9), 10**9),
                rate,
                rate,
            )
        )
    return fills


def euros_worth(euros: Sequence[Bar], moment: datetime) -> Fraction:
    """Return the close of the last hour that has ended."""
    return Fraction(euros[(moment - euros[0].start) // HOUR - 1].close)


def as_record(fill: Fill) -> dict[str, str]:
    asset_class, _, symbol = fill.instrument.partition(":")
    currency = "EUR" if fill.instrument == ABROAD else "USD"
    return {
        "execution_id": fill.execution_id,
        "order_id": "o",
        "account_id": fill.account,
        "executed_at": iso(fill.executed_at),
        "symbol": symbol,
        "asset_class": asset_class,
        "side": fill.side,
        "quantity": as_text(fill.quantity),
        "price": as_text(fill.price),
        "quote_currency": currency,
        "fee": as_text(fill.fee),
        "fee_currency": currency,
        "venue": "v",
    }


def as_text(number: Fraction) -> str:
    return f"{Decimal(number.numerator) / Decimal(number.denominator):f}"


def random_bars(starts: Sequence[datetime], choose: random.Random) -> list[Bar]:
    made = []
    for start in starts:
        prices = sorted(choose.randint(1, 30000) / 100 for _ in range(4))
        low, *between, high = (f"{price:g}" for price in prices)
        choose.shuffle(between)
        made.append(Bar(start, between[0], high=high, low=low, open=between[1]))
    return made


def land_market(lake: Landing, choose: random.Random) -> dict[str, list[Bar]]:
    """Land calendars, splits, dividends, daily bars of stocks and hours of a pair."""
    fetched = "2024-03-01T00:00Z"
    calendar = sessions(date(2024, 1, 1), date(2024, 3, 29))
    lake.land("exchange_calendars", "sessions", calendar, fetched=fetched, symbol="XNYS")
    actions = [
        {"asset_class": "equity", "symbol": instrument.partition(":")[2], "ex_date": day}
        | {"action_type": "split", "ratio": ratio}
        for (instrument, day), ratio in RATIOS_AS_SENT.items()
    ] + [
        {"asset_class": "equity", "symbol": instrument.partition(":")[2]}
        | {"ex_date": f"{each.ex_date}", "action_type": "dividend", "currency": "USD"}
        | {"amount": as_text(each.amount)}
        for instrument, dividends in DIVIDENDS.items()
        for each in dividends
    ]
    lake.land("inbox", "corporate_actions", actions, fetched=fetched)
    made = {}
    for instrument in (*STOCKS, PAIR, FX, EUROS):
        asset_class, _, symbol = instrument.partition(":")
        is_daily = asset_class != "crypto"
        days = SESSIONS if is_daily else [FIRST - DAY, *DAYS]
        nights = [datetime.combine(day, datetime.min.time(), UTC) for day in days]
        starts = nights if is_daily else [day + n * HOUR for day in nights for n in range(24)]
        made[instrument] = random_bars(starts, choose)
        timeframe = "1d" if is_daily else "1h"
        lake.land(
            *("inbox", "bars", inbox_bars(asset_class, symbol, timeframe, made[instrument])),
            fetched=fetched,
            symbol=instrument,
            timeframe=timeframe,
            asked=(f"{FIRST - DAY}T00:00Z", f"{LAST + DAY}T00:00Z"),
        )
    return made


def price_bars(instrument: str, bars: Sequence[Bar]) -> list[PriceBar]:
    """Return bars as the oracle wants them: of a stock from New York's bell to its close.

    Of currencies, from five in the afternoon there to five the next.
    """
    made = []
    for bar in bars:
        day = datetime.combine(bar.start.date(), datetime.min.time(), NEW_YORK)
        if instrument in (PAIR, EUROS):
            start, end = bar.start, bar.start + HOUR
        elif instrument == FX:
            start, end = (day - DAY).replace(hour=17), day.replace(hour=17)
        else:
            start, end = day.replace(hour=9, minute=30), day.replace(hour=16)
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        shares = shares_at(SPLITS.get(instrument, ()), end)
        made.append(
            PriceBar(start, end, float(bar.high), float(bar.low), Fraction(bar.close), shares)
        )
    return made


class World:
    """What was landed, as the oracle sees it, and what was built of it."""

    def __init__(self, folder: Path) -> None:
        choose = random.Random(20240102)  # noqa: S311 - no secret
        self.warehouse = Warehouse(folder)
        lake = Landing(DataDir(self.warehouse.data))
        landed = land_market(lake, choose)
        self.bars = {
            instrument: price_bars(instrument, bars) for instrument, bars in landed.items()
        }
        self.euros = landed[EUROS]
        self.fills = {
            f"a{number}": random_fills(f"a{number}", choose, self.euros)
            for number in range(HISTORIES)
        }
        records = [as_record(fill) for fills in self.fills.values() for fill in fills]
        choose.shuffle(records)
        self.records = records
        lake.land("inbox", "executions", records, fetched="2024-03-02T00:00Z")
        deposits = [
            {"movement_id": "m", "account_id": account, "moved_at": f"{FIRST}T00:00Z"}
            | {"currency": "USD", "amount": "100000", "kind": "opening"}
            for account in self.fills
        ]
        lake.land("inbox", "cash_movements", deposits, fetched="2024-03-02T00:00Z")
        self.warehouse.build(*MODELS, "--exclude-resource-type", "unit_test")

    def rate(self, instrument: str, moment: datetime) -> Fraction:
        """Return what the instrument's currency is worth."""
        return euros_worth(self.euros, moment) if instrument == ABROAD else Fraction(1)

    def lots(self) -> Iterator[Lot]:
        for fills in self.fills.values():
            by_instrument = defaultdict(list)
            for fill in fills:
                by_instrument[fill.instrument].append(fill)
            for instrument, of_instrument in by_instrument.items():
                yield from match(
                    of_instrument, SPLITS.get(instrument, ()), DIVIDENDS.get(instrument, ())
                )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("fifo"))


@pytest.fixture(scope="module")
def expected(world: World) -> dict[tuple[str, str, str, str | None], Lot]:
    return {lot.key: lot for lot in world.lots()}


@pytest.fixture(scope="module")
def built(world: World) -> dict[tuple[str, str, str, str | None], dict[str, Any]]:
    with connect(world.warehouse.database) as connection:
        answer = connection.execute("select * from silver.trade_lifecycle")
        names = [each[0] for each in answer.description or ()]
        lots = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return {
        tuple(
            lot[name]
            for name in (
                *("account_id", "instrument_id"),
                *("opening_execution_id", "closing_execution_id"),
            )
        ): lot
        for lot in lots
    }  # type: ignore[misc]


# -- lots ------------------------------------------------------------------------------------------


def test_the_histories_are_of_every_kind(expected: Mapping[Any, Lot]) -> None:
    """Otherwise the comparisons would prove little."""
    lots = list(expected.values())
    closed = [lot for lot in lots if lot.closing]
    assert len(lots) > 20_000
    for some in (
        [lot for lot in closed if lot.direction > 0],
        [lot for lot in closed if lot.direction < 0],
        [lot for lot in lots if not lot.closing],
        [lot for lot in closed if lot.quantity < lot.opening.quantity],
        [
            lot
            for lot in closed
            if lot.closing and lot.closing.executed_at == lot.opening.executed_at
        ],
        [lot for lot in closed if lot.factor == 3],
        [lot for lot in closed if lot.factor < 1],
        [lot for lot in closed if lot.factor == Fraction(1, 2)],
        [lot for lot in closed if lot.dividends],
        [lot for lot in closed if lot.direction < 0 and lot.dividends],
        [lot for lot in closed if lot.closing and lot.closing.rate != lot.opening.rate],
        [lot for lot in closed if lot.factor == Fraction(103, 100) ** 2],
    ):
        assert len(some) > 200


def test_every_lot_is_matched_first_in_first_out(
    expected: Mapping[Any, Lot], built: Mapping[Any, dict[str, Any]]
) -> None:
    assert built.keys() == expected.keys()
    for key, lot in expected.items():
        row = built[key]
        assert row["direction"] == ("long" if lot.direction > 0 else "short")
        assert row["status"] == ("closed" if lot.closing else "open")
        last_place = Fraction(1, 10**9 if lot.opening.instrument == GROWN else 5 * 10**17)
        assert abs(Fraction(row["quantity"]) - lot.quantity) <= last_place, key
        assert Fraction(row["entry_price"]) == lot.opening.price
        if lot.exit_price is not None:
            assert abs(Fraction(row["exit_price"]) - lot.exit_price) <= last_place, key


def test_amounts_are_exact_to_the_cent_and_beyond(
    expected: Mapping[Any, Lot], built: Mapping[Any, dict[str, Any]]
) -> None:
    for key, lot in expected.items():
        row = built[key]
        fees = lot.entry_fee + lot.exit_fee
        last_date = date(2024, 2, 23)
        dividends = sum(
            (paid for day, paid in lot.dividends.items() if day <= last_date), Fraction(0)
        )
        amounts = {
            "entry_amount_base": lot.entry_amount,
            "fees_base": fees,
            "dividends_base": dividends,
        }
        if lot.closing:
            gross = lot.direction * (lot.exit_amount - lot.entry_amount)
            amounts |= {
                "exit_amount_base": lot.exit_amount,
                "gross_pnl_base": gross,
                "net_pnl_base": gross - fees + dividends,
            }
            if lot.opening.instrument != GROWN:
                assert row["return_on_entry"] == pytest.approx(
                    float((gross - fees + dividends) / lot.entry_amount), rel=1e-9, abs=1e-12
                )
        for name, amount in amounts.items():
            assert abs(Fraction(row[name]) - amount) < TIGHT < CENT, (key, name)


def test_lots_add_up_to_executions_to_the_last_digit(world: World) -> None:
    """Shares of an execution are differences of one sum, so that nothing is lost in rounding."""
    assert (
        rows(
            world.warehouse.database,
            """
        with parts as (
            select account_id, opening_execution_id as execution_id, entry_amount_base as amount,
                entry_fee_base as fee
            from silver.int_lots__matched
            union all
            select account_id, closing_execution_id, exit_amount_base, exit_fee_base
            from silver.int_lots__matched where closing_execution_id is not null
        ),
        sums as (
            select account_id, execution_id, sum(amount) as amount, sum(fee) as fee
            from parts group by all
        )
        select executions.account_id from silver.executions
        left join sums using (account_id, execution_id)
        where executions.gross_amount_base is distinct from sums.amount
            or executions.fee_base is distinct from sums.fee
        """,
        )
        == []
    )


def test_open_lots_are_marked_to_the_last_close(
    world: World, expected: Mapping[Any, Lot], built: Mapping[Any, dict[str, Any]]
) -> None:
    for key, lot in expected.items():
        if lot.closing:
            continue
        instrument, row = lot.opening.instrument, built[key]
        if instrument == UNPRICED:
            mine = world.fills[lot.opening.account]
            last = max(
                (fill for fill in mine if fill.instrument == instrument),
                key=lambda fill: (fill.executed_at, fill.execution_id),
            )
            price, shares = last.price, Fraction(1)
        else:
            bar = world.bars[instrument][-1]
            price, shares = bar.close, bar.shares
        then = shares_at(SPLITS.get(instrument, ()), lot.opening.executed_at)
        value = lot.quantity * shares / then * price * world.rate(instrument, END)
        assert row["mark_price"] == float(price)
        assert abs(Fraction(row["exit_amount_base"]) - value) < TIGHT, key
        gross = lot.direction * (value - lot.entry_amount)
        assert abs(Fraction(row["gross_pnl_base"]) - gross) < TIGHT, key


def test_excursions_are_those_of_the_bars_between(
    world: World, expected: Mapping[Any, Lot], built: Mapping[Any, dict[str, Any]]
) -> None:
    reached = 0
    for key, lot in list(expected.items())[::5]:
        fill, row = lot.opening, built[key]
        bars = world.bars.get(fill.instrument, [])
        if lot.closing:
            until = lot.closing.executed_at
        elif bars:
            until = bars[-1].end
        else:
            until = fill.executed_at
        shares = shares_at(SPLITS.get(fill.instrument, ()), fill.executed_at)
        best, worst = excursions(
            lot.direction, fill.price, shares, bars, opened_at=fill.executed_at, until=until
        )
        found = row["max_favorable_excursion"], row["max_adverse_excursion"]
        assert found == pytest.approx((best, worst), rel=1e-9, abs=1e-9), key
        reached += best > 0 or worst < 0
    assert reached > 2000


# -- portfolios ------------------------------------------------------------------------------------


def test_portfolios_are_worth_what_is_held(world: World) -> None:
    """Cash and positions of every tenth account, on every day, from nothing but its executions."""
    found = defaultdict(dict)
    for account, day, *values in rows(
        world.warehouse.database,
        "select account_id, date, cash_base, net_exposure_base, gross_exposure_base,"
        " position_count, equity_base, realized_pnl_base, unrealized_pnl_base, fees_base,"
        " daily_return, cumulative_return, drawdown from gold.mart_daily_portfolio_summary",
    ):
        found[account][day] = values
    for account, fills in list(world.fills.items())[::10]:
        last_paid: dict[str, tuple[Fraction, datetime]] = {}
        previous = Decimal(0)
        realized = fees = Fraction(0)
        growth = highest = 1.0
        for day in sorted(found[account]):
            end = datetime.combine(day + DAY, datetime.min.time(), UTC)
            cash = Fraction(100000)
            for fill in sorted(fills, key=lambda each: (each.executed_at, each.execution_id)):
                if fill.executed_at < end:
                    sign = -1 if fill.side == "buy" else 1
                    cash += sign * fill.quantity * fill.price * fill.rate
                    cash -= fill.fee * fill.fee_rate
                    last_paid[fill.instrument] = fill.price, fill.executed_at
            values = []
            for instrument, shares in positions_at(fills, SPLITS, end).items():
                known = [bar for bar in world.bars.get(instrument, ()) if bar.end <= end]
                now = shares_at(SPLITS.get(instrument, ()), end)
                if known:
                    worth = shares / now * known[-1].shares * known[-1].close
                    values.append(worth * world.rate(instrument, end))
                else:
                    price, paid_at = last_paid[instrument]
                    then = shares_at(SPLITS.get(instrument, ()), paid_at)
                    values.append(shares / now * then * price * world.rate(instrument, end))
            (
                found_cash, found_net, found_gross, count, equity, found_realized,
                unrealized, found_fees, daily_return, cumulative_return, drawdown,
            ) = found[account][day]  # fmt: skip
            where = (account, day)
            assert abs(Fraction(found_cash) - cash) < TIGHT, where
            assert abs(Fraction(found_net) - sum(values)) < TIGHT, where
            assert abs(Fraction(found_gross) - sum(map(abs, values))) < TIGHT, where
            assert count == len(values), where
            assert equity == found_cash + found_net
            realized += Fraction(found_realized)
            fees += Fraction(found_fees)
            identity = 100000 + realized + Fraction(unrealized) - fees
            assert abs(Fraction(equity) - identity) < TIGHT, where
            # What was paid in on the first day works from then on.
            deposit = 100000 if day == FIRST else 0
            capital = previous + deposit
            assert daily_return == (
                pytest.approx(float(equity / capital) - 1, rel=1e-9, abs=1e-9)
                if capital > 0
                else None
            ), where
            previous = equity
            growth = 0.0 if daily_return is not None and daily_return <= -1 else growth
            growth *= 1 + (daily_return or 0)
            highest = max(highest, growth)
            assert cumulative_return == pytest.approx(growth - 1, rel=1e-9, abs=1e-9), where
            assert drawdown == pytest.approx(growth / highest - 1, abs=1e-9), where


def test_portfolios_have_the_days_of_their_calendars(world: World) -> None:
    days = defaultdict(set)
    for account, day in rows(
        world.warehouse.database, "select account_id, date from gold.mart_daily_portfolio_summary"
    ):
        days[account].add(day)
    for account, fills in world.fills.items():
        instruments = {fill.instrument for fill in fills}
        events = {FIRST, *(fill.executed_at.date() for fill in fills)}
        last = LAST if instruments - {UNPRICED} else max(events)
        round_the_clock = DAYS if PAIR in instruments else []
        weekdays = SESSIONS if instruments - {PAIR} else []
        expected = events | {day for day in (*round_the_clock, *weekdays) if day <= last}
        assert days[account] == expected, account


def test_daily_profits_add_up_to_those_of_the_lots(world: World) -> None:
    """To the last digit, but where a product has more than there are: its parts round apart."""
    assert (
        rows(
            world.warehouse.database,
            """
        with days as (
            select account_id, instrument_id, sum(pnl_base) as pnl, sum(realized_pnl_base) as gross
            from silver.int_trading__daily_pnl group by all
        ),
        lots as (
            select account_id, instrument_id, sum(net_pnl_base) as pnl,
                sum(case when status = 'closed' then gross_pnl_base else 0 end) as gross
            from silver.trade_lifecycle group by all
        )
        select * from days full join lots using (account_id, instrument_id)
        where days.gross is distinct from lots.gross
            or case
                when instrument_id in ('equity:ABROAD', 'equity:GROWN')
                    then coalesce(abs(days.pnl - lots.pnl) > 1e-9, true)
                else days.pnl is distinct from lots.pnl
            end
        """,
        )
        == []
    )


# -- the same again --------------------------------------------------------------------------------


def test_steps_and_another_order_give_the_same(world: World, tmp_path: Path) -> None:
    """In time, with late ones; then all told again, of which one was told wrongly before."""
    other = Warehouse(tmp_path)
    lake = Landing(DataDir(other.data))
    land_market(lake, random.Random(20240102))  # noqa: S311 - no secret
    records = sorted(world.records, key=itemgetter("executed_at", "execution_id"))
    middle = len(records) // 2
    late, wrong = records[middle // 2 : middle // 2 + 50], records[middle + 1]
    early = [each for each in records[:middle] if each not in late]
    later = [*late, *(each for each in records[middle:] if each is not wrong)]
    deposits = [
        {"movement_id": "m", "account_id": account, "moved_at": f"{FIRST}T00:00Z"}
        | {"currency": "USD", "amount": "100000", "kind": "opening"}
        for account in reversed(world.fills)
    ]
    lake.land("inbox", "cash_movements", deposits, fetched="2024-03-02T00:00Z")
    lake.land("inbox", "executions", early, fetched="2024-03-02T00:00Z")
    other.build(*TRADING_FAMILY, *WITHOUT_TESTS)
    assert restarts(other) == (0, 0)

    lake.land("inbox", "executions", [*later, {**wrong, "price": "1"}], fetched="2024-03-03T00:00Z")
    other.build(*TRADING_FAMILY, *WITHOUT_TESTS)
    positions, whole = restarts(other)
    assert positions > whole > 0  # those whose units are rounded
    assert revisions(other) == []

    random.Random(1).shuffle(records)  # noqa: S311 - no secret
    lake.land("inbox", "executions", records, fetched="2024-03-04T00:00Z")
    other.build(*TRADING_FAMILY, *WITHOUT_TESTS)
    assert restarts(other)[0] == 1
    assert revisions(other) == [("executions", "told_again")]

    hashes = world.warehouse.hashes(), other.hashes()
    for table in (
        *("gold.fct_trades", "gold.mart_daily_portfolio_summary", "silver.trade_lifecycle"),
        *(
            "silver.int_trading__daily_pnl",
            "silver.int_lots__excursions",
            "silver.int_lots__matched",
        ),
    ):
        assert hashes[0][table] == hashes[1][table], table


def restarts(warehouse: Warehouse) -> tuple[int, int]:
    """Return how many positions the last build matched again, and how many of them whole."""
    ((positions, whole),) = rows(
        warehouse.database,
        "select count(*), count(*) filter (where restart_at = timestamp '0001-01-01')"
        " from staging.int_positions__restarts",
    )
    return positions, whole


def revisions(warehouse: Warehouse) -> list[tuple[str, ...]]:
    """Return why the last build looked at all records again."""
    return rows(warehouse.database, "select * from staging.int_trading__revisions order by all")
