"""A trained network in numpy, read from a model file: the probabilities of classes, or numbers, without torch."""

import json
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.domain.configuration import MLPConfig
from app.files.model_file import ModelFileError, ModelInfo, read_info, split_file

Numbers = NDArray[np.float32]

_erf_at_once = np.vectorize(math.erf, otypes=[np.float64])
PIECE = 2**14
MAX_NUMBER = 1e30  # what float32 multiplies and adds up without an overflow


def _erf(z: Numbers) -> NDArray[np.float64]:
    """The error function, of some numbers at a time: none of the server's other threads goes on meanwhile."""
    numbers = z.reshape(-1)
    result = np.empty(len(numbers))
    for start in range(0, len(numbers), PIECE):
        result[start : start + PIECE] = _erf_at_once(numbers[start : start + PIECE])
    return result.reshape(z.shape)


def _sigmoid(z: Numbers) -> Numbers:
    with np.errstate(over="ignore"):  # e^-z beyond all floats is a sigmoid of 0
        return np.asarray(1 / (1 + np.exp(-z)), dtype=z.dtype)


ACTIVATIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "gelu": lambda z: (z * 0.5 * (1 + _erf(z / math.sqrt(2)))).astype(z.dtype),
    "leaky_relu": lambda z: np.where(z > 0, z, np.float32(0.01) * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "silu": lambda z: z * _sigmoid(z),
    "identity": lambda z: z,
}


class Network:
    """A trained network; `info` is the description in its file."""

    def __init__(self, content: bytes) -> None:
        """Reads the bytes of a model file. Raises ModelFileError."""
        self.info: ModelInfo = read_info(content)
        config = MLPConfig(tuple(self.info.hidden_layers), activation=self.info.activation)
        tensors = _tensors(content)
        sizes = config.layer_sizes(self.info.features, self.info.outputs)
        try:
            self._layers = [(tensors[f"{index}.weight"], tensors[f"{index}.bias"]) for index in range(len(sizes))]
        except KeyError:
            raise ModelFileError("its layers are not those that its metadata name") from None
        shapes = [(weight.shape, bias.shape) for weight, bias in self._layers]
        if shapes != [((outputs, inputs), (outputs,)) for inputs, outputs in sizes]:
            raise ModelFileError("its layers are not those that its metadata name")
        self._activate = ACTIVATIONS[config.activation]

    def probabilities(self, x: Numbers) -> NDArray[np.float64]:
        """[n, classes] for x [n, features]; each row adds up to 1."""
        logits = self._outputs(x)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def numbers(self, x: Numbers) -> NDArray[np.float64]:
        """[n] for x [n, features], both in their own units: of a network that was trained on numbers."""
        return self._outputs(x)[:, 0]

    def _outputs(self, x: Numbers) -> NDArray[np.float64]:
        """[n, outputs] of the last layer."""
        *hidden, (last_weight, last_bias) = self._layers
        for weight, bias in hidden:
            x = self._activate(x @ weight.T + bias)
        return (x @ last_weight.T + last_bias).astype(np.float64)


def _tensors(content: bytes) -> dict[str, Numbers]:
    """The tensors by name, which stay where they are in the file. Raises ModelFileError."""
    header, numbers = split_file(content)
    tensors = {}
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] != "F32":
                raise ModelFileError("its numbers are not float32")
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(numbers[begin:end], dtype="<f4").reshape(entry["shape"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"it is damaged: {json.dumps(str(error))}") from None
    return tensors
