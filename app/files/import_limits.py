"""How much an imported file may say beside its numbers, which pages and lists show whole"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.sweep_limits import MAX_SEEDS
from app.files.exports.fields import import_error

MAX_SWEEP_WORDS = 200_000  # characters of one column, as JSON: a thousand looks at the test examples have fewer
MAX_TRIAL_WORDS = 50_000  # of all columns of a trial and its runs: twenty attempts with the longest reasons have fewer

_OF_SWEEP = ("stop_reason", "environment", "test_scores", "warm_started")
_OF_TRIAL = ("error", "reason", "history", "devices")


def check_sweep_words(facts: Mapping[str, Any]) -> None:
    """Raises InvalidError for a sweep of which every list of sweeps would have too much to say."""
    for name in _OF_SWEEP:
        if _length(facts.get(name)) > MAX_SWEEP_WORDS:
            raise import_error(("sweep", name), f"must have at most {MAX_SWEEP_WORDS:,} characters")


def check_trial_words(
    facts: Mapping[str, Any], runs: list[dict[str, Any]], seeds: Iterable[Any], loc: tuple[str | int, ...]
) -> None:
    """Raises InvalidError for a trial of which every list of trials would have too much to say.

    `seeds`: the indices of those that its curves are of, each once.
    """
    for name, count in (("runs", len(runs)), ("epochs", len({*seeds}))):
        if count > MAX_SEEDS:
            raise import_error((*loc, name), f"must be those of at most {MAX_SEEDS} runs, not of {count:,}")
    words = sum(_length(facts.get(name)) for name in _OF_TRIAL) + sum(_length(run.get("error")) for run in runs)
    if words > MAX_TRIAL_WORDS:
        names = f"{', '.join(_OF_TRIAL)} and the errors of runs"
        raise import_error(loc, f"must have at most {MAX_TRIAL_WORDS:,} characters in {names}")


def _length(value: Any) -> int:
    """Of a column as JSON writes it; most have nothing to say."""
    return len(json.dumps(value)) if value else 0
