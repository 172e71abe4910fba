"""Evidence in nats that an account did more than its habit and its peers explain; compiled."""

import math

from gpu_ops.compiled import compiled

_TERMS = 300
_NEGLIGIBLE = 1e-6


@compiled
def excess_nats(found: float, before: float, shape: float, share: float, least: float) -> float:
    """Return minus the logarithm of the chance of so many events or more; 0 up to the mean.

    A gamma prior of `shape` over the accounts' rates, updated by what one account did outside of a
    window, predicts a negative binomial number inside of it. The fewer accounts resemble each
    other, the smaller is `shape` and the weaker is the evidence from an account's silence. As in
    DuMouchel, Bayesian data mining in large frequency tables (1999).

    Args:
        found: events inside the window.
        before: events of the account outside of it.
        shape: of the prior.
        share: the window's share of the time and the prior's weight together, 0..1.
        least: what surely is no more than this is told as 0, without summing up the chances.
    """
    size = before + shape
    if found <= 0 or share <= 0.0 or share >= 1.0 or found <= size * share / (1.0 - share):
        return 0.0
    # The smaller the size, the smaller the chance; of size 1 it is share to the power of found.
    if size >= 1.0 and -found * math.log(share) <= least:
        return 0.0
    first = math.lgamma(found + size) - math.lgamma(size) - math.lgamma(found + 1.0)
    first += size * math.log1p(-share) + found * math.log(share)
    # The chance of just so many is part of that of so many or more.
    if -first <= least:
        return 0.0
    total, term = 1.0, 1.0
    for step in range(_TERMS):
        term *= (found + step + size) / (found + step + 1.0) * share
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return max(0.0, -(first + math.log(total)))


@compiled
def poisson_nats(found: float, expected: float) -> float:
    """Return minus the logarithm of the Poisson chance of `found` events or more, by its bound.

    Chernoff's bound, which is the log-likelihood ratio of Kulldorff, A spatial scan statistic
    (1997); 0 where there are no more than expected.
    """
    if found <= expected or expected <= 0.0:
        return 0.0
    nats: float = found * math.log(found / expected) - (found - expected)
    return nats
