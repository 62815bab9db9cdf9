"""Shares of runs with their confidence intervals."""

import math

from app.exercises.answers.finding import Interval
from app.exercises.answers.wording import share

QUANTILE = 1.959964  # of the normal distribution, for 95 % confidence


def share_interval(count: int, total: int) -> Interval | None:
    """Wilson's interval of a share, which also holds for few runs and for shares of 0 and 1; None of no runs."""
    if total == 0:
        return None
    square = QUANTILE**2
    middle = (count + square / 2) / (total + square)
    margin = QUANTILE / (total + square) * math.sqrt(count * (total - count) / total + square / 4)
    return max(middle - margin, 0.0), min(middle + margin, 1.0)


def share_difference(first: tuple[int, int], second: tuple[int, int]) -> Interval | None:
    """Newcombe's interval of the first share less the second, of counts and totals; None of no runs."""
    interval, second_interval = share_interval(*first), share_interval(*second)
    if interval is None or second_interval is None:
        return None
    (low, high), (second_low, second_high) = interval, second_interval
    share, second_share = first[0] / first[1], second[0] / second[1]
    return (
        share - second_share - math.hypot(share - low, second_high - second_share),
        share - second_share + math.hypot(high - share, second_share - second_low),
    )


def share_percent(share: float) -> str:
    """`51 %`, of a share that is measured: the nearest whole per cent, where progress is rounded down."""
    return f"{100 * share:.0f} %"


def share_text(count: int, total: int) -> str:
    """`3 of 20 runs (5 % to 36 % with 95 % confidence)`."""
    return share_with_bounds(count, total, " with 95 % confidence")


def share_with_bounds(count: int, total: int, confidence: str = "") -> str:
    """`3 of 20 runs (5 % to 36 %)`, for lists that name the confidence once."""
    interval = share_interval(count, total)
    bounds = f" ({share_percent(interval[0])} to {share_percent(interval[1])}{confidence})" if interval else ""
    return f"{share(count, total)}{bounds}"
