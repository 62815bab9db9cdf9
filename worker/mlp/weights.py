"""A network's parameters as safetensors, and back."""

import json
from collections import defaultdict
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from app.domain.datasets import Scaling
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


def in_own_units(
    layers: Parameters,  # weight [outputs, inputs] and bias [outputs] of each layer
    scaling: Scaling | None,  # of the data that they were trained on
) -> Parameters:
    """The layers that take features and give numbers in their own units, with the standardization folded into them."""
    if scaling is None:
        return layers
    first = Layer(*(tensor.double() for tensor in layers[0]))
    if scaling.feature_means:
        scaled = first.weight / first.weight.new_tensor(scaling.feature_stds)  # [outputs, inputs]
        first = Layer(scaled, first.bias - scaled @ first.weight.new_tensor(scaling.feature_means))
    *inner, last = [first, *layers[1:]]
    last = Layer(last.weight * scaling.target_std, last.bias * scaling.target_std + scaling.target_mean)
    return [Layer(layer.weight.to(layers[0].weight), layer.bias.to(layers[0].bias)) for layer in (*inner, last)]


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
