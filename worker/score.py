"""Scores the chosen trial of a completed sweep on the test images: once, at the end, and no other trial."""

import logging
from collections.abc import Callable

from app.db.engine import transaction
from app.domain.configuration import MLPConfig
from app.queue import scoring
from app.queue.scoring import Unscored
from worker.context import Context
from worker.data.datasets import Dataset
from worker.mlp.training import score
from worker.mlp.weights import from_bytes

logger = logging.getLogger(__name__)


def score_one(context: Context, dataset: Callable[[str, str], Dataset], unscorable: set[int]) -> bool:
    """Scores one sweep that waits for it; False when none does. `unscorable` are those that failed here before.

    Nothing is locked while it scores: two workers that score one sweep write the same numbers. A chosen trial whose
    weights were not kept is asked for first, and scored later. Raises DBAPIError.
    """
    with transaction(context.engine) as session:
        found = scoring.next_unscored(session, sorted(unscorable))
    if found is None:
        return False
    if found.lacking:
        with transaction(context.engine) as session:
            scoring.ask_for_weights(session, found)
        return True
    try:
        accuracies = _accuracies(found, dataset, context)
    except Exception:
        logger.exception("sweep %d: its chosen trial could not be scored here", found.sweep_id)
        unscorable.add(found.sweep_id)
        return True
    with transaction(context.engine) as session:
        scoring.write(session, found, accuracies)
    return True


def _accuracies(found: Unscored, dataset: Callable[[str, str], Dataset], context: Context) -> dict[int, float]:
    """By seed; none for `book`, which has validated on the test images already."""
    if found.split == "book" or not found.weights:
        return {}
    data, config = dataset(found.dataset, found.split), MLPConfig.from_params(found.params)
    return {
        seed: score(config, from_bytes(weights, context.device), data.test_x, data.test_y).accuracy
        for seed, weights in found.weights.items()
    }
