"""A trained network, read from a model file, that gives probabilities of classes, or numbers."""

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from app.domain.configuration import MLPConfig
from app.files.model_file import ModelFileError, ModelInfo, read_info
from worker.mlp.activations import ACTIVATIONS
from worker.mlp.weights import from_bytes

BATCH_SIZE = 1000


class Network:
    """A trained network; `info` is the description in its file."""

    def __init__(self, content: bytes) -> None:
        """Reads the bytes of a model file. Raises ModelFileError."""
        self.info: ModelInfo = read_info(content)
        try:
            config = MLPConfig(tuple(self.info.hidden_layers), activation=self.info.activation)
            layers = from_bytes(content, torch.device("cpu"))
        except (ValueError, SafetensorError) as error:
            raise ModelFileError(f"it is damaged: {error}") from None
        if any(tensor.dtype != torch.float32 for layer in layers for tensor in layer):
            raise ModelFileError("its numbers are not float32")
        shapes = [(layer.weight.shape, layer.bias.shape) for layer in layers]
        sizes = config.layer_sizes(self.info.features, self.info.outputs)
        if shapes != [((outputs, inputs), (outputs,)) for inputs, outputs in sizes]:
            raise ModelFileError("its layers are not those that its metadata name")
        *self._hidden, self._last = layers
        self._activation = ACTIVATIONS[config.activation]

    @torch.no_grad()
    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n, classes] for x [n, features]; each row adds up to 1."""
        probabilities: NDArray[np.float64] = self._outputs(x).softmax(1).numpy()
        return probabilities

    @torch.no_grad()
    def numbers(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n] for x [n, features], both in their own units: of a network that was trained on numbers."""
        numbers: NDArray[np.float64] = self._outputs(x)[:, 0].numpy()
        return numbers

    def _outputs(self, x: NDArray[np.float32]) -> Tensor:
        """[n, outputs] float64 for x [n, features]."""
        return torch.cat([self._forward(batch) for batch in torch.split(torch.from_numpy(x), BATCH_SIZE)]).double()

    def _forward(self, x: Tensor) -> Tensor:
        """[n, outputs] for x [n, features]."""
        for weight, bias in self._hidden:
            x = torch.addmm(bias, x, weight.T)
            self._activation.forward(x, x)
        return torch.addmm(self._last.bias, x, self._last.weight.T)
