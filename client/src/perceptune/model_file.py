"""A trained network from its file (safetensors), computed with numpy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from perceptune.encoding import Encoding
from perceptune.errors import ModelFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1  # of the metadata


class ModelInfo(BaseModel):
    """The description in a model file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    perceptune_format: int
    perceptune_version: str
    dataset: str
    features: int
    classes: list[str]
    hidden_layers: list[int]
    activation: str
    params: dict[str, Any]
    sweep: int
    trial: int
    run: int
    metric: str
    value: float
    recorded_value: float
    encoding: Encoding | None = None  # of a data set that was stored from a table
    quantity: str = ""
    unit: str = ""


class Model:
    """A trained network. `content` is the file, which can't run code; numpy is needed to compute it."""

    def __init__(self, content: bytes) -> None:
        """Reads the bytes of a model file. Raises ModelFileError."""
        self.content = content
        self._header, self._data = _split(content)
        metadata = self._header.pop("__metadata__", {})
        try:
            self.info = ModelInfo.model_validate({name: _decoded(name, text) for name, text in metadata.items()})
        except ValueError:
            raise ModelFileError("The file is no model of Perceptune.") from None
        if self.info.perceptune_format > FORMAT:
            raise ModelFileError(f"The model was made by a newer Perceptune, {self.info.perceptune_version}.")
        self._layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] | None = None

    def __repr__(self) -> str:
        info = self.info
        return f"<Model of sweep {info.sweep}, trial {info.trial}, run {info.run}: {info.metric} {info.value:.4g}>"

    def __reduce__(self) -> tuple[type[Model], tuple[bytes]]:
        """Pickled as its file, from which all else is read."""
        return Model, (self.content,)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """The model in a file."""
        return cls(Path(path).read_bytes())

    def save(self, path: str | Path) -> None:
        """Writes the file, which `perceptune predict` and safetensors read."""
        Path(path).write_bytes(self.content)

    def predict(self, rows: Any) -> list[str]:
        """The most probable class of each row."""
        return [self.info.classes[index] for index in self.probabilities(rows).argmax(1)]

    def probabilities(self, rows: Any) -> NDArray[np.float64]:
        """[rows, classes], each row adding up to 1. `rows` of images are numbers from 0 to 1, as in training:
        [rows, features], one row alone, or [rows, height, width]; those of a table are as there: a frame of pandas or
        polars, or a list of mappings or of values in the order of the columns. Raises ValueError."""
        if not self.info.classes:
            raise ValueError("This network gives a number in place of classes: ask it for `numbers`.")
        numpy = _numpy()
        logits = self._outputs(rows)
        exponentials = numpy.exp(logits - logits.max(1, keepdims=True))
        probabilities: NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
        return probabilities

    def numbers(self, rows: Any) -> NDArray[np.float64]:
        """[rows] in `info.unit`, by a network that was trained on numbers. `rows` are [rows, features], or one row
        alone, in the units of the data. Raises ValueError."""
        if self.info.classes:
            raise ValueError("This network gives classes: ask it to `predict`, or for `probabilities`.")
        numbers: NDArray[np.float64] = self._outputs(rows)[:, 0]
        return numbers

    def _outputs(self, rows: Any) -> NDArray[np.float64]:
        """[rows, outputs] of the last layer."""
        numpy = _numpy()
        if self.info.encoding is not None:
            x = numpy.asarray(self.info.encoding.encode(rows), dtype=numpy.float32)
        else:
            x = self._as_rows(numpy.asarray(rows, dtype=numpy.float32))
        *hidden, last = self._weights()
        activation = _activations(numpy)[self.info.activation]
        for weight, bias in hidden:
            x = activation(x @ weight.T + bias)
        outputs: NDArray[np.float64] = numpy.float64(x @ last[0].T + last[1])
        return outputs

    def _as_rows(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        features = self.info.features
        if x.shape == (features,):
            x = x[None]
        if x.ndim < 2 or math.prod(x.shape[1:]) != features:
            raise ValueError(f"The network takes [rows, {features}], not {list(x.shape)}.")
        x = x.reshape(len(x), features)
        if self.info.classes and not ((x >= 0) & (x <= 1)).all():
            raise ValueError("Numbers must be from 0 to 1, as in training: divide grey values of a byte by 255.")
        return x

    def _weights(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Weight [outputs, inputs] and bias [outputs] of each layer. Raises ModelFileError."""
        if self._layers is None:
            count = len(self.info.hidden_layers) + 1
            try:
                self._layers = [(self._tensor(f"{n}.weight"), self._tensor(f"{n}.bias")) for n in range(count)]
            except (KeyError, TypeError, ValueError):
                raise ModelFileError("The model file is damaged.") from None
            if self.info.activation not in _activations(_numpy()):
                raise ModelFileError(f"This client can't compute the activation {self.info.activation!r}.")
        return self._layers

    def _tensor(self, name: str) -> NDArray[np.float32]:
        entry = self._header[name]
        begin, end = entry["data_offsets"]
        if entry["dtype"] != "F32":
            raise ValueError(entry["dtype"])
        tensor: NDArray[np.float32] = _numpy().frombuffer(self._data[begin:end], dtype="<f4").reshape(entry["shape"])
        return tensor


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and its numbers: 8 bytes of length, JSON, then the tensors."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ModelFileError("The bytes are no safetensors file.")
    return header, content[8 + length :]


def _decoded(name: str, text: str) -> Any:
    """The value of an entry of the metadata: a text itself, anything else from its JSON."""
    field = ModelInfo.model_fields.get(name)
    return text if field is None or field.annotation in (str, "str") else json.loads(text)


def _activations(numpy: Any) -> dict[str, Callable[[Any], Any]]:
    """The activation functions as torch computes them, elementwise on float32."""
    erf = numpy.vectorize(math.erf, otypes=[numpy.float32])
    sigmoid: Callable[[Any], Any] = lambda z: 0.5 * (numpy.tanh(0.5 * z) + 1)  # noqa: E731  # overflows nowhere
    return {
        "relu": lambda z: numpy.maximum(z, 0),
        "sigmoid": sigmoid,
        "tanh": numpy.tanh,
        "gelu": lambda z: 0.5 * z * (1 + erf(z / math.sqrt(2))),
        "leaky_relu": lambda z: numpy.where(z > 0, z, numpy.float32(0.01) * z),
        "elu": lambda z: numpy.where(z > 0, z, numpy.expm1(numpy.minimum(z, 0))),
        "silu": lambda z: z * sigmoid(z),
        "identity": lambda z: z,
    }


def _numpy() -> Any:
    try:
        import numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError("A model is computed with numpy: pip install numpy", name="numpy") from None
    return numpy
