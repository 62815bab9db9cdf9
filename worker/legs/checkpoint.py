"""Checkpoints: what the training of a trial goes on from, as safetensors and back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from safetensors.torch import load
from torch import Tensor

from app.domain.runs import EpochResult
from worker.mlp.early_stopping import EarlyStopping
from worker.mlp.fused.member import TrainingState
from worker.mlp.initializers import Layer, Parameters
from worker.mlp.run_state import RunState
from worker.mlp.weights import save_tensors


@dataclass(frozen=True)
class RunCheckpoint:
    """One run of a trial after some epochs: in the middle of its training, or ended before the trial's other runs."""

    seed: int  # index of the run's seed
    last_result: EpochResult
    seconds: float  # of its training so far
    state: RunState | None  # None: it has ended
    final_layers: Parameters | None = None  # of a run that ended without diverging, as they are evaluated


def to_bytes(runs: Sequence[RunCheckpoint]) -> bytes:
    """The checkpoint of a trial. Raises MemoryError where there is no room to make it."""
    tensors = {name: tensor.contiguous() for run in runs for name, tensor in _tensors(run)}
    return save_tensors(tensors, {"runs": json.dumps([_facts(run) for run in runs])})


def from_bytes(data: bytes, trial_id: int) -> list[RunCheckpoint]:
    """The runs of a trial, on the CPU. Raises SafetensorError or ValueError for what is no checkpoint."""
    tensors = load(data)
    header_bytes = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + header_bytes])["__metadata__"]
    return [_run(facts, tensors, trial_id) for facts in json.loads(metadata["runs"])]


def _tensors(run: RunCheckpoint) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a run, each under the path `seed.part.layer.field`."""
    parts: dict[str, Parameters] = {}
    if run.final_layers is not None:
        parts["final"] = run.final_layers
    if run.state is not None:
        parts |= {"parameters": run.state.parameters, "running_stats": run.state.training.running_stats}
        parts |= {f"optimizer{k}": layers for k, layers in enumerate(run.state.training.optimizer)}
    for part, layers in parts.items():
        for index, layer in enumerate(layers):
            for field, tensor in layer._asdict().items():
                yield f"{run.seed}.{part}.{index}.{field}", tensor


def _facts(run: RunCheckpoint) -> dict[str, Any]:
    """What a run's checkpoint has beside tensors; floats come back from JSON to the last bit."""
    result = {name: value for name, value in asdict(run.last_result).items() if name != "key"}
    facts: dict[str, Any] = {"seed": run.seed, "last_result": result, "seconds": run.seconds}
    if run.state is not None:
        facts["steps"] = run.state.training.steps
        facts["optimizer_parts"] = len(run.state.training.optimizer)
        facts["early_stopping"] = asdict(run.state.early_stopping)
    return facts


def _run(facts: Mapping[str, Any], tensors: Mapping[str, Tensor], trial_id: int) -> RunCheckpoint:
    seed = facts["seed"]
    last_result = EpochResult(key=(trial_id, seed), **facts["last_result"])
    state = None
    if "steps" in facts:
        optimizer = [_layers(tensors, f"{seed}.optimizer{k}.") for k in range(facts["optimizer_parts"])]
        training = TrainingState(optimizer, _layers(tensors, f"{seed}.running_stats."), facts["steps"])
        early_stopping = EarlyStopping(**facts["early_stopping"])
        state = RunState(_layers(tensors, f"{seed}.parameters."), training, early_stopping)
    return RunCheckpoint(seed, last_result, facts["seconds"], state, _layers(tensors, f"{seed}.final.") or None)


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> Parameters:
    """The layers whose tensors have this prefix, in their order."""
    count = sum(name.startswith(prefix) for name in tensors) // len(Layer._fields)
    return [Layer(tensors[f"{prefix}{i}.weight"], tensors[f"{prefix}{i}.bias"]) for i in range(count)]
