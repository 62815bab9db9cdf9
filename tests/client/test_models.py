"""The client's models of the API, and its arithmetic of networks, against the server's and the worker's."""

import numpy as np
import pytest
import torch
from safetensors.torch import save

from app.files.model_file import ModelInfo, with_info
from perceptune import Model, ModelFileError
from tests.support.client_models import MODELS, generated_models
from worker.mlp.activations import ACTIVATIONS
from worker.predict.network import Network


def test_the_models_are_those_of_the_server() -> None:
    """`make client-models` brings them up to date."""
    assert MODELS.read_text(encoding="utf-8") == generated_models()


def model_file(activation: str) -> bytes:
    """A network with two hidden layers and random weights."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(6, 5), (5, 4), (4, 3)]
    tensors = {}
    for index, (inputs, outputs) in enumerate(sizes):
        tensors[f"{index}.weight"] = 3 * torch.randn(outputs, inputs, generator=generator)
        tensors[f"{index}.bias"] = torch.randn(outputs, generator=generator)
    info = ModelInfo(
        perceptune_version="0", dataset="digits", split="holdout", features=6, classes=["a", "b", "c"],
        hidden_layers=[5, 4], activation=activation, params={}, sweep=1, sweep_name="1", trial=0, run=0, sweep_seed=0,
        metric="val_accuracy", value=0.5, recorded_value=0.5,
    )  # fmt: skip
    return with_info(save(tensors), info)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_are_computed_as_by_torch(activation: str) -> None:
    """Every activation, to the rounding of float32."""
    content = model_file(activation)
    x = torch.rand(50, 6, generator=torch.Generator().manual_seed(1)).numpy()
    expected = Network(content).probabilities(x)
    assert np.abs(Model(content).probabilities(x) - expected).max() < 1e-5
    assert Model(content).predict(x[0]) == ["abc"[expected[0].argmax()]]


@pytest.mark.parametrize("content", [b"", b"nonsense", save({"a": torch.zeros(1)}), model_file("relu")[:-8]])
def test_what_is_no_model_is_a_sentence(content: bytes) -> None:
    """An empty file, any bytes, tensors of something else, and a file that was cut off."""
    with pytest.raises(ModelFileError, match=r"\.$"):
        Model(content).predict(np.zeros((1, 6)))
