"""Three toy signal providers, and three ways in which their votes become one decision.

Who votes, with bars that had ended by then:

- `sim-momentum`: with the move of the last 20 bars, measured by their volatility;
- `sim-mean-reversion`: against the distance from the mean of the last 10 closes;
- `sim-contrarian-random`: mostly against the last bar, and otherwise as the dice fall.

How an ensemble decides (weights are the strategy's):

- voting: every provider's weight times confidence counts for its action; the largest sum wins. A
  provider that holds counts as much as one that acts, and nobody changes their mind.
- debate: in three rounds each provider moves towards those on the other side, by as much as it is
  unsure itself. Then a judge takes the weighted mean of their convictions, and holds where that is
  close to nothing. So one that is sure can win over two that are not, those that would hold are not
  heard, and a tie is a hold. The recorded votes are the opening statements.
- fallback: where a provider is missing (an outage, or too few bars) the heaviest one that is there
  decides alone, with less confidence; where none is, the decision is to hold, with no confidence.

Not for how much is traded: that is `records`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal

from ingest.simulated_trading.draws import draws

MOMENTUM, MEAN_REVERSION = "sim-momentum", "sim-mean-reversion"
CONTRARIAN = "sim-contrarian-random"

MOMENTUM_BARS, MEAN_BARS = 20, 10
CONTRARIAN_SHARE = 0.65
"""How often the contrarian does oppose the last bar; else it throws a coin."""

INDIFFERENCE = 0.35
"""The conviction, of 1, below which a provider would hold."""

ROUNDS, YIELDING = 3, 0.5
DEADLOCK = 0.12
"""The mean conviction below which the judge of a debate holds."""

FALLBACK_CONFIDENCE = 0.8
OUTAGE_SHARE, BLACKOUT_SHARE = 0.05, 0.01
"""The shares of spells in which one provider, or all of them, are out."""

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK, QUARTER_DAY = timedelta(days=7), timedelta(hours=6)

Action = Literal["buy", "sell", "hold"]
Method = Literal["debate", "voting"]
SIGN: Mapping[Action, int] = {"buy": 1, "hold": 0, "sell": -1}


@dataclass(frozen=True)
class Strategy:
    """A method, what the word of each provider weighs, and how long their outages last."""

    name: str
    method: Method
    weights: Mapping[str, float]
    spell: timedelta


TREND = {MOMENTUM: 1.0, MEAN_REVERSION: 0.8, CONTRARIAN: 0.5}
RETURN = {MOMENTUM: 0.8, MEAN_REVERSION: 1.0, CONTRARIAN: 0.6}
EQUITY_DEBATE = Strategy("sim_equity_debate", "debate", TREND, WEEK)
EQUITY_VOTING = Strategy("sim_equity_voting", "voting", RETURN, WEEK)
CRYPTO_DEBATE = Strategy("sim_crypto_debate", "debate", TREND, QUARTER_DAY)
CRYPTO_VOTING = Strategy("sim_crypto_voting", "voting", RETURN, QUARTER_DAY)
STRATEGIES = (EQUITY_DEBATE, EQUITY_VOTING, CRYPTO_DEBATE, CRYPTO_VOTING)

STRATEGY_OF: Mapping[str, Strategy] = {
    "AAPL": EQUITY_DEBATE,
    "FB": EQUITY_DEBATE,
    "GOOG": EQUITY_VOTING,
    "IBM": EQUITY_DEBATE,
    "MSFT": EQUITY_VOTING,
    "SIM-BTC/USD": CRYPTO_DEBATE,
    "SIM-ETH/USD": CRYPTO_VOTING,
    "SIM-SOL/USD": CRYPTO_VOTING,
}


@dataclass(frozen=True)
class Vote:
    """What a provider says: a conviction from -1 (sell) to 1 (buy)."""

    provider: str
    conviction: float
    weight: float

    @property
    def action(self) -> Action:
        """Return what it would do."""
        if abs(self.conviction) < INDIFFERENCE:
            return "hold"
        return "buy" if self.conviction > 0 else "sell"

    @property
    def confidence(self) -> float:
        """Return how sure it is of its action, from 0.5 (to act) or 0.65 (to hold) to 1."""
        return _confidence(self.action, self.conviction)


@dataclass(frozen=True)
class Verdict:
    """What an ensemble makes of its votes."""

    method: Literal["debate", "voting", "fallback"]
    action: Action
    confidence: float


def votes_on(symbol: str, closes: Sequence[float], at: datetime) -> Iterator[Vote]:
    """Yield the votes of the providers that are there at a time and have closes enough.

    `closes` are of bars that had ended by then, in units of one day.
    """
    strategy = STRATEGY_OF[symbol]
    for provider, score in PROVIDERS.items():
        needed = BARS_NEEDED[provider]
        if len(closes) > needed and not _is_out(provider, strategy, at):
            value = score(closes[-needed - 1 :], f"{symbol} {at:%Y-%m-%dT%H:%M}")
            yield Vote(provider, round(value / (1 + abs(value)), 4), strategy.weights[provider])


def _momentum(closes: Sequence[float], _seed: str) -> float:
    moves = [after / before - 1 for before, after in pairwise(closes)]
    spread = math.sqrt(math.fsum(move * move for move in moves))
    return (closes[-1] / closes[0] - 1) / spread if spread else 0.0


def _mean_reversion(closes: Sequence[float], _seed: str) -> float:
    recent = closes[1:]
    mean = math.fsum(recent) / len(recent)
    spread = math.sqrt(math.fsum((close - mean) ** 2 for close in recent) / len(recent))
    return (mean - closes[-1]) / spread if spread else 0.0


def _contrarian(closes: Sequence[float], seed: str) -> float:
    opposes, coin, force = draws(f"{CONTRARIAN} {seed}").random_sample(3)
    side = 1 if coin < 0.5 else -1  # noqa: PLR2004 - a fair coin
    if opposes < CONTRARIAN_SHARE and closes[-1] != closes[-2]:
        side = -1 if closes[-1] > closes[-2] else 1
    return side * (0.3 + 2 * float(force))


PROVIDERS: Mapping[str, Callable[[Sequence[float], str], float]] = {
    MOMENTUM: _momentum,
    MEAN_REVERSION: _mean_reversion,
    CONTRARIAN: _contrarian,
}
"""What gives each provider's score, above zero to buy, from the last closes."""

BARS_NEEDED: Mapping[str, int] = {MOMENTUM: MOMENTUM_BARS, MEAN_REVERSION: MEAN_BARS, CONTRARIAN: 1}
"""How many bars before the last one each provider looks at."""


def _is_out(provider: str, strategy: Strategy, at: datetime) -> bool:
    spell = (at - UNIX_EPOCH) // strategy.spell
    return _spell_is_out("all providers", strategy.name, spell, BLACKOUT_SHARE) or (
        _spell_is_out(provider, strategy.name, spell, OUTAGE_SHARE)
    )


@cache
def _spell_is_out(provider: str, strategy: str, spell: int, share: float) -> bool:
    return bool(draws(f"outage of {provider} for {strategy} {spell}").random_sample() < share)


def decide(strategy: Strategy, votes: Sequence[Vote]) -> Verdict:
    """Return what a strategy makes of the votes of the providers that are there."""
    if len(votes) < len(PROVIDERS):
        return _fall_back(votes)
    return _debate(votes) if strategy.method == "debate" else _vote(votes)


def _vote(votes: Sequence[Vote]) -> Verdict:
    """Let the largest sum of weight times confidence win; a tie is a hold."""
    support = {
        action: math.fsum(v.weight * v.confidence for v in votes if v.action == action)
        for action in SIGN
    }
    largest = max(support.values())
    winners = [action for action in support if support[action] == largest]
    action = winners[0] if len(winners) == 1 else "hold"
    return Verdict("voting", action, round(support[action] / math.fsum(support.values()), 4))


def _debate(votes: Sequence[Vote]) -> Verdict:
    """Let the unsure give way to the other side, and judge what is left."""
    convictions = [vote.conviction for vote in votes]
    for _ in range(ROUNDS):
        convictions = [
            _having_heard(own, [(o, v.weight) for o, v in zip(convictions, votes, strict=True)])
            for own in convictions
        ]
    weights = [vote.weight for vote in votes]
    said = [weight * each for weight, each in zip(weights, convictions, strict=True)]
    mean = math.fsum(said) / math.fsum(weights)
    action: Action = "hold" if abs(mean) < DEADLOCK else "buy" if mean > 0 else "sell"
    return Verdict("debate", action, _confidence(action, mean))


def _having_heard(own: float, said: Sequence[tuple[float, float]]) -> float:
    """Return a conviction after a round: the less sure, the nearer to those on the other side."""
    others = [(each, weight * abs(each)) for each, weight in said if each * own < 0]
    force = math.fsum(weight for _, weight in others)
    if not force:
        return own
    argument = math.fsum(each * weight for each, weight in others) / force
    return own + YIELDING * (1 - abs(own)) * (argument - own)


def _fall_back(votes: Sequence[Vote]) -> Verdict:
    """Let the heaviest provider that is there decide alone, with less confidence."""
    if not votes:
        return Verdict("fallback", "hold", 0.0)
    heaviest = max(votes, key=lambda vote: vote.weight)
    confidence = round(FALLBACK_CONFIDENCE * heaviest.confidence, 4)
    return Verdict("fallback", heaviest.action, confidence)


def _confidence(action: Action, conviction: float) -> float:
    if action == "hold":
        return round(1 - abs(conviction), 4)
    return round(0.5 + abs(conviction) / 2, 4)
