"""A group of runs that train as one network: they see the same mini-batches and take the same kind of step."""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from time import perf_counter

import torch
from torch import Tensor

from app.domain.diagnostics import NetworkDiagnostics
from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import Recorder
from worker.mlp.diagnostics import Sample, diagnose
from worker.mlp.evaluation import Evaluation
from worker.mlp.fused.epoch_steps import EpochSteps
from worker.mlp.fused.layout import fusion_order
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_kind import StepKind
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.run_state import RunState
from worker.mlp.schedules import is_constant, learning_rates
from worker.mlp.scores import Score, epoch_result
from worker.mlp.seeds import epoch_order
from worker.mlp.split import Split

IDLE_SHARE = 0.25  # of a network's units may belong to runs that have left


def group_runs(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """The runs that can train as one network, each group in fusion order."""
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.seed, run.config.batch_size, StepKind.of(run.config)), []).append(run)
    for members in groups.values():
        yield sorted(members, key=lambda run: fusion_order(run.config))


class RunGroup:
    """Runs of one seed, batch size and kind of step, trained as one network; runs may leave, but none may join.

    Where steps are recorded, runs that have left stay in the network, at rate 0 and out of the results, until a quarter
    of its units are theirs: to put it together anew costs as much as many steps.
    """

    def __init__(
        self,
        runs: list[Run],  # at least one, in fusion order
        split: Split,
        recorder: Recorder | None,  # None: each operation is called by itself
        states: Mapping[Hashable, RunState],  # by key, of runs that go on after some epochs
    ) -> None:
        self._split, self._recorder = split, recorder
        self._fuse(runs, [self._first_member(run, states.get(run.key)) for run in runs])

    def _first_member(self, run: Run, state: RunState | None) -> Member:
        """The run as it goes on, or as it begins."""
        if state is not None:
            return Member(run.config, state.parameters, state.training)
        return Member(run.config, initial_parameters(run, *self._split.shape, self._split.train_x.dtype))

    @property
    def runs(self) -> list[Run]:
        """Those that train."""
        return [self._fused_runs[position] for position in self._positions]

    def _fuse(self, runs: list[Run], members: list[Member]) -> None:
        x, y, batch = self._split.train_x, self._split.train_y, runs[0].config.batch_size
        self._fused_runs, self._positions = runs, list(range(len(runs)))
        self._model = FusedMLP(members, like=x, target=self._split.target)
        self._steps = EpochSteps(self._model, x, y, batch, self._recorder)
        self._validation = Evaluation(self._model, self._split.val_x, self._split.val_y, self._recorder)

    def epoch(self, epoch: int) -> list[EpochResult]:
        """Trains every run for one epoch and validates it."""
        start = perf_counter()
        train_scores = self._train_epoch(epoch)
        val_scores = self._validation.scores()
        seconds = perf_counter() - start  # the scores have made the host wait for the device
        results = []
        for position, share in zip(self._positions, self._time_shares(), strict=True):
            key, train, val = self._fused_runs[position].key, train_scores[position], val_scores[position]
            results.append(epoch_result(key, epoch, train, val, seconds * share, self._split.target_std))
        return results

    def _time_shares(self) -> list[float]:
        counts = [run.config.parameter_count(*self._split.shape) for run in self.runs]
        return [count / sum(counts) for count in counts]

    def _train_epoch(self, epoch: int) -> list[Score]:
        seed = self._fused_runs[0].seed
        order = epoch_order(seed, epoch, len(self._split.train_y))  # [n] int64
        return self._steps.take_all(order, self._rates(epoch, self._steps.count), seed, epoch)

    def _rates(self, epoch: int, steps: int) -> Tensor:  # [steps, runs] float64
        """The learning rates of an epoch."""
        configs = [run.config for run in self.runs]
        rates = torch.zeros(steps, len(self._fused_runs), dtype=torch.float64)
        if all(is_constant(config) for config in configs):
            rates[:, self._positions] = torch.tensor([config.learning_rate for config in configs], dtype=torch.float64)
        else:
            rates[:, self._positions] = learning_rates(configs, epoch, steps)
        return rates

    def parameters_of(self, keys: Collection[Hashable]) -> Iterator[tuple[Hashable, Parameters]]:
        """Copies, on the CPU, of the parameters of those of its runs that are among `keys`."""
        cpu = torch.device("cpu")
        for position, run in zip(self._positions, self.runs, strict=True):
            if run.key in keys:
                yield run.key, [layer.to(cpu, copy=True) for layer in self._model.parameters(position)]

    def members_of(self, keys: Collection[Hashable]) -> Iterator[tuple[Hashable, Member]]:
        """Copies, on the CPU, of those of its runs that are among `keys`."""
        for position, run in zip(self._positions, self.runs, strict=True):
            if run.key in keys:
                yield run.key, self._model.member(position).to_cpu()

    def diagnostics(self, keys: Collection[Hashable], sample: Sample) -> Iterator[tuple[Hashable, NetworkDiagnostics]]:
        """What those of its runs that are among `keys` do with the sample, measured one after the other."""
        for position, run in zip(self._positions, self.runs, strict=True):
            if run.key in keys:
                yield run.key, diagnose(self._model.member(position), sample)

    def leave(self, keys: Collection[Hashable]) -> bool:
        """Goes on without these runs, sooner or later in less memory; False when no run stays."""
        staying = [position for position in self._positions if self._fused_runs[position].key not in keys]
        if len(staying) == len(self._positions):
            return True
        self._positions = staying
        if staying and (self._recorder is None or self._idle_share() >= IDLE_SHARE):
            members = [self._model.member(position) for position in staying]
            # The workspaces of the former network, and its graphs, go before the new one comes: both would not always
            # fit. Its parameters stay until they are copied, because the members are views of them.
            del self._steps, self._validation, self._model
            self._fuse(self.runs, members)
        return bool(staying)

    def _idle_share(self) -> float:
        """The share of the network's units that belong to runs which have left."""
        units = [sum(run.config.hidden_layers) + self._split.outputs for run in self._fused_runs]
        return 1 - sum(units[position] for position in self._positions) / sum(units)
