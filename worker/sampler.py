"""Fills in the parameters of claimed trials through Optuna."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Engine

from app import results, trial_queue
from app.db import transaction
from app.models import Sweep
from app.samplers import Turn
from app.space import parse_space
from app.study import Search
from app.trial_queue import ClaimedTrial


def fill_in(engine: Engine, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
    """The trials, all with parameters; those that had some (a grid's cell, a second attempt) keep them.

    No transaction is open while the sampler thinks, which may take longer than the database lets one be idle.
    """
    open_trials = [trial for trial in trials if trial.params is None]
    if not open_trials:
        return list(trials)
    with transaction(engine) as session:
        rows = results.trial_rows(session, sweep.id)
    search = Search(parse_space(sweep.space), sweep.sampler, rows, maximize=sweep.direction == "maximize")
    chosen = {trial.lease: search.ask(Turn(sweep.seed, trial.number)) for trial in open_trials}
    with transaction(engine) as session:
        trial_queue.set_params(session, sweep, chosen)
    return [replace(trial, params=chosen.get(trial.lease, trial.params)) for trial in trials]
