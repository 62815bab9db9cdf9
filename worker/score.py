"""Scores the chosen trial of a completed sweep on the test images: once, at the end, and no other trial."""

import logging
from collections.abc import Callable

from app.db.engine import transaction
from app.domain.configuration import MLPConfig
from app.queue import scoring
from app.queue.scoring import Unscored
from worker.context import Context
from worker.data.datasets import Dataset
from worker.mlp.evaluation import score
from worker.mlp.weights import from_bytes

logger = logging.getLogger(__name__)


def score_one(context: Context, load_dataset: Callable[[str, str], Dataset], unscorable: set[int]) -> bool:
    """Scores one sweep that waits for it; False when none does. Raises DBAPIError.

    `unscorable`: ids of sweeps that could not be scored here before; they are passed over, and added to.

    Nothing is locked while it scores: two workers that score one sweep write the same numbers. A chosen trial without
    weights is trained again first, and scored later.
    """
    with transaction(context.engine) as session:
        unscored = scoring.next_unscored(session, sorted(unscorable))
    if unscored is None:
        return False
    if unscored.weights_missing:
        with transaction(context.engine) as session:
            scoring.request_weights(session, unscored)
        return True
    try:
        accuracies = _accuracies(unscored, load_dataset, context)
    except Exception:
        logger.exception("sweep %d: its chosen trial could not be scored here", unscored.sweep_id)
        unscorable.add(unscored.sweep_id)
        return True
    with transaction(context.engine) as session:
        scoring.write(session, unscored, accuracies)
    return True


def _accuracies(unscored: Unscored, load_dataset: Callable[[str, str], Dataset], context: Context) -> dict[int, float]:
    """Test accuracies by seed; none for `book`, which has validated on the test images already."""
    if unscored.split == "book" or not unscored.weights:
        return {}
    data = load_dataset(unscored.dataset, unscored.split)
    config = MLPConfig.from_params(unscored.params)
    return {
        seed: score(config, from_bytes(weights, context.device), data.test_x, data.test_y).accuracy
        for seed, weights in unscored.weights.items()
    }
