"""A network's parameters as safetensors, and back."""

import json
from collections import defaultdict
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from worker.mlp.initializers import Layer, Parameters

_COPIES = 3  # at most while tensors become bytes: each tensor's, all of them, and those that are given back


def to_bytes(
    layers: Parameters,  # stored as `0.weight` [outputs, inputs], `0.bias` [outputs], `1.weight` ...
    value: float,  # what the run is judged by; stored as metadata
) -> bytes:
    """A network's layers in the format of safetensors.

    Raises MemoryError where there is no room to make them.
    """
    tensors = {
        f"{index}.{name}": tensor.contiguous()
        for index, layer in enumerate(layers)
        for name, tensor in layer._asdict().items()
    }
    return save_tensors(tensors, {"value": json.dumps(value)})


def save_tensors(
    tensors: Mapping[str, Tensor],  # contiguous, on the CPU
    metadata: dict[str, str],
) -> bytes:
    """The tensors in the format of safetensors. Raises MemoryError where there is no room to make them."""
    # without memory safetensors ends the process: what it needs is asked for where that raises an error
    bytearray(sum(_COPIES * tensor.nbytes for tensor in tensors.values()))
    return save(dict(tensors), metadata)


def from_bytes(weights: bytes, device: torch.device) -> Parameters:
    """The layers, on the device. Raises SafetensorError, and ValueError for tensors that are no layers."""
    layers: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in load(weights).items():
        index, _, field = name.partition(".")
        layers[int(index)][field] = tensor.to(device)
    if any(set(layer) != {"weight", "bias"} for layer in layers.values()):
        raise ValueError("a layer has a weight and a bias")
    return [Layer(**layers[index]) for index in sorted(layers)]
