"""A trained network, read from a model file, that gives probabilities of classes."""

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
        sizes = config.layer_sizes(self.info.features, len(self.info.classes))
        if shapes != [((outputs, inputs), (outputs,)) for inputs, outputs in sizes]:
            raise ModelFileError("its layers are not those that its metadata name")
        *self._hidden, self._last = layers
        self._activation = ACTIVATIONS[config.activation]

    @torch.no_grad()
    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n, classes] for x [n, features]; each row adds up to 1."""
        logits = [self._logits(batch) for batch in torch.split(torch.from_numpy(x), BATCH_SIZE)]
        probabilities: NDArray[np.float64] = torch.cat(logits).double().softmax(1).numpy()
        return probabilities

    def _logits(self, x: Tensor) -> Tensor:
        """[n, classes] for x [n, features]."""
        for weight, bias in self._hidden:
            x = torch.addmm(bias, x, weight.T)
            self._activation.forward(x, x)
        return torch.addmm(self._last.bias, x, self._last.weight.T)
