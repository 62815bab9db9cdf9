"""A group of runs that train as one network: they see the same mini-batches and take the same kind of step."""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from app.domain.diagnostics import NetworkDiagnostics
from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import Step
from worker.mlp.diagnostics import Sample, diagnose
from worker.mlp.evaluation import Evaluation
from worker.mlp.fused.epoch_steps import EpochSteps, Preparation
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


def group_runs(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """The runs that can train as one network, each group in fusion order."""
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.seed, run.config.batch_size, StepKind.of(run.config)), []).append(run)
    for members in groups.values():
        yield sorted(members, key=lambda run: fusion_order(run.config))


class RunGroup:
    """Runs of one seed, batch size and kind of step, trained as one network; runs may leave, but none may join.

    Runs that have left stay in the network, at rate 0 and out of the results, until it is renewed.
    """

    def __init__(
        self,
        runs: list[Run],  # at least one, in fusion order
        split: Split,
        states: Mapping[Hashable, RunState],  # by key, of runs that go on after some epochs
    ) -> None:
        self._split = split
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
        self._steps = EpochSteps(self._model, x, y, batch)
        self._validation = Evaluation(self._model, self._split.val_x, self._split.val_y)

    @property
    def steps(self) -> Sequence[Step]:
        """Those of an epoch, in their order; the same from epoch to epoch until the network is put together anew."""
        return self._steps.steps

    @property
    def validation(self) -> Step:
        """What scores the networks as they are on all that they are validated with; the same as long as the steps."""
        return self._validation.take

    def begin_epoch(self, epoch: int) -> Preparation:
        """Draws the order of the examples and sets the rates. What it gives is to be called before each step."""
        seed = self._fused_runs[0].seed
        order = epoch_order(seed, epoch, len(self._split.train_y))  # [n] int64
        return self._steps.begin(order, self._rates(epoch, len(self.steps)), seed, epoch)

    def _rates(self, epoch: int, steps: int) -> Tensor:  # [steps, runs] float64
        """The learning rates of an epoch."""
        configs = [run.config for run in self.runs]
        rates = torch.zeros(steps, len(self._fused_runs), dtype=torch.float64)
        if all(is_constant(config) for config in configs):
            rates[:, self._positions] = torch.tensor([config.learning_rate for config in configs], dtype=torch.float64)
        else:
            rates[:, self._positions] = learning_rates(configs, epoch, steps)
        return rates

    def scores(self) -> list[tuple[Score, Score]]:  # by run that trains
        """How each network did in the epoch's steps, and in the validation; here the host waits for the device."""
        train_scores, val_scores = self._steps.scores(), self._validation.scores()
        return [(train_scores[position], val_scores[position]) for position in self._positions]

    @property
    def parameter_counts(self) -> list[int]:
        """Of each run that trains."""
        return [run.config.parameter_count(*self._split.shape) for run in self.runs]

    def results(
        self, epoch: int, scores: Sequence[tuple[Score, Score]], seconds_a_parameter: float
    ) -> Iterator[EpochResult]:
        """The results of an epoch, each with its share of the time."""
        for run, (train, val), parameters in zip(self.runs, scores, self.parameter_counts, strict=True):
            seconds = seconds_a_parameter * parameters
            yield epoch_result(run.key, epoch, train, val, seconds, self._split.target_std)

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

    def leave(self, keys: Collection[Hashable]) -> int:
        """Goes on without these runs. Gives how many of the network's units belong to runs that have left."""
        self._positions = [position for position in self._positions if self._fused_runs[position].key not in keys]
        return self.units - self._units_of(self.runs)

    @property
    def units(self) -> int:
        """Of the network, hidden ones and outputs."""
        return self._units_of(self._fused_runs)

    def _units_of(self, runs: Sequence[Run]) -> int:
        return sum(sum(run.config.hidden_layers) + self._split.outputs for run in runs)

    def renew(self) -> None:
        """Puts the network together anew, in less memory, without runs that have left; nothing may know its steps."""
        if len(self._positions) == len(self._fused_runs):
            return
        members = [self._model.member(position) for position in self._positions]
        # The workspaces of the former network go before the new one comes: both would not always fit. Its parameters
        # stay until they are copied, because the members are views of them.
        del self._steps, self._validation, self._model
        self._fuse(self.runs, members)
