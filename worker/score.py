"""Scores the chosen trial of a completed sweep on the test examples: once, at the end, and no other trial."""

import logging
import math
from collections.abc import Callable

from app.broker import UnreachableError
from app.domain.configuration import MLPConfig
from app.domain.datasets import DatasetInfo
from app.queue.scoring import ScoreName, Scores, Unscored
from worker.context import Context
from worker.data.datasets import Dataset
from worker.mlp.evaluation import score
from worker.mlp.scores import Score
from worker.mlp.weights import from_bytes

logger = logging.getLogger(__name__)


def score_one(context: Context, load_dataset: Callable[[DatasetInfo, str], Dataset], unscorable: set[int]) -> bool:
    """Scores one sweep that waits for it; False when none does. Raises CallError.

    `unscorable`: ids of sweeps that could not be scored here before; they are passed over, and added to.

    Nothing is locked while it scores: two workers that score one sweep write the same numbers. A chosen trial without
    weights is trained again first, and scored later.
    """
    unscored = context.broker.next_unscored(sorted(unscorable))
    if unscored is None:
        return False
    try:
        _score(unscored, load_dataset, context)
    except UnreachableError:
        raise
    except Exception:
        logger.exception("sweep %d: its chosen trial could not be scored here", unscored.sweep_id)
        unscorable.add(unscored.sweep_id)
    return True


def _score(unscored: Unscored, load_dataset: Callable[[DatasetInfo, str], Dataset], context: Context) -> None:
    """Writes the test scores of a sweep's chosen trial, or asks for the weights that they need."""
    if unscored.weights_missing:
        context.broker.request_weights(unscored)
    elif (scores := _scores(unscored, load_dataset, context)) is not None:
        context.broker.write_scores(unscored, scores)


def _scores(
    unscored: Unscored, load_dataset: Callable[[DatasetInfo, str], Dataset], context: Context
) -> dict[int, Scores] | None:
    """Test scores by seed; none for `book`, which has validated on the test examples already.

    None where another trial has become the best meanwhile, so that the weights of this one went.
    """
    if unscored.split == "book" or unscored.trial_id is None or not unscored.seeds:
        return {}
    data = load_dataset(unscored.dataset, unscored.split)
    config = MLPConfig.from_params(unscored.params)
    scores = {}
    for seed in unscored.seeds:  # one after another: each may have hundreds of megabytes
        weights = context.broker.load_weights(unscored.trial_id, seed)
        if weights is None:
            return None
        scores[seed] = _named(score(config, from_bytes(weights, context.device), data.test_x, data.test_y))
    return scores


def _named(test_score: Score) -> Scores:
    """The figures of a score that are stored of a run, by their columns; without those that are not finite."""
    figures: dict[ScoreName, float | None] = {
        "test_accuracy": test_score.accuracy,
        "test_r2": test_score.r2,
        "test_mae": test_score.mae,
    }
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}
