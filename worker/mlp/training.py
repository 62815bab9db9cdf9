"""The epoch loop: runs and a data set become a stream of epoch results."""

from collections.abc import Collection, Generator, Hashable, MutableMapping, Sequence
from dataclasses import replace

import torch

from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import Recorder, recorder_for
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.fused.run_group import RunGroup, group_runs
from worker.mlp.initializers import Parameters
from worker.mlp.split import Split


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
    in `final_parameters` before its last result is yielded. On a CUDA device each step is a graph; a `recorder`
    replaces what makes it. Raises ValueError when two runs have the same key.
    """
    if len({run.key for run in runs}) < len(runs):
        raise ValueError("every run needs a key of its own")
    split = split.with_dtype(dtype)
    recorder = recorder or recorder_for(split.train_x.device)
    groups = [RunGroup(members, split, recorder) for members in group_runs(runs)]
    stopping = {run.key: EarlyStopping(run.config) for run in runs}
    epoch = 0
    while groups:
        epoch += 1
        results = [
            replace(result, stopped=stopping[result.key].stops(result.val_loss))
            for group in groups
            for result in group.epoch(epoch)
        ]
        ended_keys = {run.key for group in groups for run in group.runs if run.config.epochs == epoch}
        ended_keys |= {result.key for result in results if result.diverged or result.stopped}
        if final_parameters is not None:
            complete_keys = ended_keys - {result.key for result in results if result.diverged}
            # comprehensions: the variable of a loop would hold the last group's memory, also when its runs have left
            final_parameters.update(
                {key: layers for group in groups for key, layers in group.parameters_of(complete_keys)}
            )
        dropped_keys = yield results
        leaving_keys = ended_keys | set(dropped_keys or ())
        groups = [group for group in groups if group.leave(leaving_keys)]
