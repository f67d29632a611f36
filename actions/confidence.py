"""How much of a whole is bad at most, by what a random sample of it shows."""

from math import comb

from core.errors import UsageError

CONFIDENCE = 0.95
_STEPS = 60


def most_bad(size: int, bad: int, confidence: float = CONFIDENCE) -> float:
    """Return the share that is bad at most: the exact binomial bound (one-sided, Clopper and Pearson).

    With a larger share than that, a sample of this size would show more bad ones than this one did, with the given
    probability. It holds for any size of the whole, and is on the safe side where the sample is a good part of it.

    Args:
        size: Of the sample.
        bad: How many of it are bad.
        confidence: Between 0 and 1.

    Raises:
        UsageError: There is no such sample.
    """
    if not 0 <= bad <= size or size < 1 or not 0 < confidence < 1:
        raise UsageError(f"{bad} of {size} photos are no sample.")
    if bad == size:
        return 1.0
    low, high = bad / size, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        if _at_most(bad, size, share) > 1 - confidence:
            low = share
        else:
            high = share
    return high


def _at_most(bad: int, size: int, share: float) -> float:
    """Return how likely a sample shows so many bad ones or fewer."""
    return float(sum(comb(size, each) * share**each * (1 - share) ** (size - each) for each in range(bad + 1)))
