"""The epoch loop: runs and a data set become a stream of epoch results."""

from collections.abc import Collection, Generator, Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace

import torch

from app.domain.diagnostics import NetworkDiagnostics
from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import Recorder, recorder_for
from worker.mlp.diagnostics import Sample
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.groups.run_group import RunGroup, group_runs
from worker.mlp.groups.team import teams
from worker.mlp.initializers import Parameters
from worker.mlp.run_state import RunState
from worker.mlp.split import Split


class Training:
    """Runs of any shapes that train together. They begin, or go on from states that were all taken after one epoch.

    Runs may leave between two epochs, but none may join. On a CUDA device steps are graphs; a `recorder` replaces what
    makes them. Raises ValueError when two runs have the same key.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        split: Split,
        *,
        epochs_trained: int = 0,
        states: Mapping[Hashable, RunState] | None = None,  # by key, of every run where it goes on after some epochs
        dtype: torch.dtype = torch.float32,
        recorder: Recorder | None = None,
    ) -> None:
        if len({run.key for run in runs}) < len(runs):
            raise ValueError("every run needs a key of its own")
        states = states or {}
        split = split.with_dtype(dtype)
        recorder = recorder or recorder_for(split.train_x.device)
        self._epoch, self._split = epochs_trained, split
        self._teams = list(teams([RunGroup(members, split, states) for members in group_runs(runs)], recorder))
        self._patience = {run.key: run.config.patience for run in runs}
        self._early_stopping = {
            run.key: states[run.key].early_stopping if run.key in states else EarlyStopping() for run in runs
        }

    @property
    def _groups(self) -> Iterator[RunGroup]:
        return (group for team in self._teams for group in team.groups)

    @property
    def runs(self) -> list[Run]:
        """The runs that train."""
        return [run for team in self._teams for run in team.runs]

    def train_epoch(self) -> list[EpochResult]:
        """Trains every run for one more epoch."""
        self._epoch += 1
        return [self._with_patience(result) for team in self._teams for result in team.epoch(self._epoch)]

    def _with_patience(self, result: EpochResult) -> EpochResult:
        """The result, with whether the run's patience ended."""
        early_stopping = self._early_stopping[result.key].after(result.val_loss)
        self._early_stopping[result.key] = early_stopping
        return replace(result, stopped=early_stopping.is_over(self._patience[result.key]))

    def diagnostics(self, keys: Collection[Hashable]) -> dict[Hashable, NetworkDiagnostics]:
        """What these runs do with the data set's fixed sample as they are now; their training is not changed by it."""
        sample = Sample.of(self._split)
        return {key: measured for group in self._groups for key, measured in group.diagnostics(keys, sample)}

    def parameters_of(self, keys: Collection[Hashable]) -> dict[Hashable, Parameters]:
        """Copies, on the CPU, of the layers of these runs as they are evaluated."""
        return {key: layers for group in self._groups for key, layers in group.parameters_of(keys)}

    def states_of(self, keys: Collection[Hashable]) -> dict[Hashable, RunState]:
        """Copies, on the CPU, of all that these runs' training goes on from."""
        return {
            key: RunState(member.parameters, member.state, self._early_stopping[key])
            for group in self._groups
            for key, member in group.members_of(keys)
            if member.state is not None
        }

    def leave(self, keys: Collection[Hashable]) -> None:
        """Goes on without these runs."""
        # a comprehension: the variable of a loop would hold the last team's memory, also when its runs have left
        self._teams = [team for team in self._teams if team.leave(keys)]

    def close(self) -> None:
        """Lets go of all memory."""
        self._teams = []


def train(
    runs: Sequence[Run],
    split: Split,
    *,
    dtype: torch.dtype = torch.float32,
    final_parameters: MutableMapping[Hashable, Parameters] | None = None,
    recorder: Recorder | None = None,
) -> Generator[list[EpochResult], Collection[Hashable] | None, None]:
    """Trains runs of any shapes together; yields the results of every live run after each epoch.

    `send(keys)` drops those runs before the next epoch. Runs whose epochs are done, that diverged or stopped early
    leave by themselves; it ends when none is left. A run that ends without diverging leaves its parameters, on the CPU,
    in `final_parameters` before its last result is yielded. On a CUDA device steps are graphs; a `recorder` replaces
    what makes them. Raises ValueError when two runs have the same key.
    """
    training = Training(runs, split, dtype=dtype, recorder=recorder)
    last_epochs = {run.key: run.config.epochs for run in runs}
    while training.runs:
        results = training.train_epoch()
        diverged_keys = {result.key for result in results if result.diverged}
        ended_keys = {result.key for result in results if result.stopped or result.epoch == last_epochs[result.key]}
        if final_parameters is not None:
            final_parameters.update(training.parameters_of(ended_keys - diverged_keys))
        dropped_keys = yield results
        training.leave(ended_keys | diverged_keys | set(dropped_keys or ()))
