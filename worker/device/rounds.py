"""Rounds of steps: one step of each of several sequences at a time, as one launch where steps are recorded."""

from collections.abc import Sequence
from itertools import groupby

from worker.device.cuda_graph import Recorder, ReplayedSteps, Step


def together(steps: Sequence[Step], recorder: Recorder | None) -> Step:
    """All of the steps as one; without a recorder, on a CPU, there is a single one, which is that step itself."""
    if recorder is not None:
        return ReplayedSteps(steps, recorder)
    (step,) = steps
    return step


def rounds(sequences: Sequence[Sequence[Step]], recorder: Recorder | None) -> list[Step]:
    """Rounds in which every sequence takes all its steps, in their order; the shorter ones begin later.

    They end together, because the last step of each may be another one than those before it: so it is one round that
    is recorded for itself, and else one for each length.
    """
    length = max(len(steps) for steps in sequences)
    padded = [[*[None] * (length - len(steps)), *steps] for steps in sequences]
    steps_by_round = [[step for step in steps if step is not None] for steps in zip(*padded, strict=True)]
    all_rounds: list[Step] = []
    for _, same_steps in groupby(steps_by_round, key=lambda steps: [id(step) for step in steps]):
        equal_rounds = list(same_steps)
        all_rounds += [together(equal_rounds[0], recorder)] * len(equal_rounds)
    return all_rounds
