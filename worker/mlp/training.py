"""The epoch loop: runs and a data set become a stream of epoch results."""

import math
from collections.abc import Collection, Generator, Hashable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.domain.memory import EVALUATION_BATCH
from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import Recorder, recorder_for
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.fused.layout import fusion_order
from worker.mlp.fused.network import FusedMLP, Kind, Member, Tally
from worker.mlp.fused.steps import Steps
from worker.mlp.fused.workspace import Workspace
from worker.mlp.initializers import Layer, Parameters, initial_parameters
from worker.mlp.schedules import is_constant, learning_rates
from worker.mlp.seeds import epoch_order


class Split(NamedTuple):
    """A data set, scaled and already on the device that trains on it."""

    train_x: Tensor  # [n, features] float
    train_y: Tensor  # [n] int64
    val_x: Tensor
    val_y: Tensor
    classes: int


class Score(NamedTuple):
    """Mean cross-entropy in nats, and the fraction of examples told right."""

    loss: float
    accuracy: float


def train(
    runs: Sequence[Run],
    split: Split,
    *,
    dtype: torch.dtype = torch.float32,
    keep: MutableMapping[Hashable, Parameters] | None = None,
    recorder: Recorder | None = None,
) -> Generator[list[EpochResult], Collection[Hashable] | None, None]:
    """Trains runs of any shapes together; yields the results of every live run after each epoch.

    `send(keys)` drops those runs before the next epoch. Runs whose epochs are done, that diverged or stopped early
    leave by themselves; it ends when none is left. A run that ends without diverging leaves its parameters, on the CPU,
    in `keep` before its last result is yielded. On a CUDA device each step is a graph; a `recorder` replaces what makes
    it. Raises ValueError when two runs have the same key.
    """
    if len({run.key for run in runs}) < len(runs):
        raise ValueError("every run needs a key of its own")
    split = split._replace(train_x=split.train_x.to(dtype), val_x=split.val_x.to(dtype))
    recorder = recorder or recorder_for(split.train_x.device)
    groups = [_Group(members, split, recorder) for members in _groups(runs)]
    stopping = {run.key: EarlyStopping(run.config) for run in runs}
    epoch = 0
    while groups:
        epoch += 1
        results = [
            replace(result, stopped=stopping[result.key].stops(result.val_loss))
            for group in groups
            for result in group.epoch(epoch)
        ]
        done = {run.key for group in groups for run in group.runs if run.config.epochs == epoch}
        done |= {result.key for result in results if result.diverged or result.stopped}
        if keep is not None:
            finished = done - {result.key for result in results if result.diverged}
            keep.update({key: kept for group in groups for key, kept in group.parameters_of(finished)})
        dropped = yield results
        gone = done | set(dropped or ())
        groups = [group for group in groups if group.leave(gone)]


def score(config: MLPConfig, parameters: Parameters, x: Tensor, y: Tensor) -> Score:
    """How a trained network does on other data, such as the test images: x [n, features] and y [n] on one device."""
    model = FusedMLP([Member(MLPConfig(config.hidden_layers, activation=config.activation), parameters)], like=x)
    return Score(*_evaluate(model, x, y)[0])


def _groups(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """The runs that see the same mini-batches and take the same kind of step, each group in fusion order."""
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.seed, run.config.batch_size, Kind.of(run.config)), []).append(run)
    for members in groups.values():
        yield sorted(members, key=lambda run: fusion_order(run.config))


class _Group:
    """Runs that see the same mini-batches and take the same kind of step, as one network; runs may only leave."""

    def __init__(self, runs: list[Run], split: Split, recorder: Recorder | None) -> None:
        self.runs = runs
        self._split, self._recorder = split, recorder
        features, dtype = split.train_x.shape[1], split.train_x.dtype
        self._fuse([Member(r.config, initial_parameters(r, features, split.classes, dtype)) for r in runs])

    def _fuse(self, members: list[Member]) -> None:
        self._steps: Steps | None = None  # frees the former buffers first
        self._model = FusedMLP(members, like=self._split.train_x)
        x, y, batch = self._split.train_x, self._split.train_y, self.runs[0].config.batch_size
        self._steps = Steps(self._model, x, y, batch, self._recorder)
        weights = [run.config.parameter_count(self._split.train_x.shape[1], self._split.classes) for run in self.runs]
        self._shares = [weight / sum(weights) for weight in weights]

    def epoch(self, epoch: int) -> list[EpochResult]:
        """Trains every run for one epoch and validates it."""
        start = perf_counter()
        train_means = self._train_epoch(epoch)
        val_means = _evaluate(self._model, self._split.val_x, self._split.val_y)
        seconds = perf_counter() - start
        return [
            EpochResult(run.key, epoch, *train, *val, seconds * share, not math.isfinite(train[0] + val[0]))
            for run, train, val, share in zip(self.runs, train_means, val_means, self._shares, strict=True)
        ]

    def _train_epoch(self, epoch: int) -> list[tuple[float, float]]:
        assert self._steps
        seed = self.runs[0].seed
        order = epoch_order(seed, epoch, len(self._split.train_y))
        return self._steps.epoch(order, self._rates(epoch, self._steps.count), seed, epoch)

    def _rates(self, epoch: int, steps: int) -> Tensor:
        """The learning rates [steps, runs] float64 of an epoch."""
        configs = [run.config for run in self.runs]
        if all(is_constant(config) for config in configs):
            return torch.tensor([config.learning_rate for config in configs], dtype=torch.float64).expand(steps, -1)
        return learning_rates(configs, epoch, steps)

    def parameters_of(self, keys: Collection[Hashable]) -> Iterator[tuple[Hashable, Parameters]]:
        """Copies, on the CPU, of the parameters of those of its runs that are among `keys`."""
        for position, run in enumerate(self.runs):
            if run.key in keys:
                yield run.key, [Layer(*(t.to("cpu", copy=True) for t in p)) for p in self._model.parameters(position)]

    def leave(self, keys: Collection[Hashable]) -> bool:
        """Goes on without these runs; False when none is left."""
        staying = [position for position, run in enumerate(self.runs) if run.key not in keys]
        if staying and len(staying) < len(self.runs):
            members = [self._model.member(i) for i in staying]
            self.runs = [self.runs[i] for i in staying]
            self._fuse(members)
        return bool(staying)


def _evaluate(model: FusedMLP, x: Tensor, y: Tensor) -> list[tuple[float, float]]:
    """Mean loss and accuracy of each network on x [n, features] and y [n]."""
    model = model.evaluated()
    tally = Tally.zero(model.layout.runs, x)
    spaces: dict[int, Workspace] = {}
    for inputs, targets in zip(torch.split(x, EVALUATION_BATCH), torch.split(y, EVALUATION_BATCH), strict=True):
        if len(targets) not in spaces:
            spaces[len(targets)] = model.workspace(len(targets), training=False)
        model.evaluate(spaces[len(targets)], inputs, targets, tally)
    return tally.means(len(y))
