"""The implementations that are timed train the same networks."""

from pathlib import Path
from typing import Any

import pytest
import torch

from app.domain.datasets import DATASETS
from app.domain.tasks import TASKS
from app.domain.tasks.time_training import config_of
from tests.support.training.mlp_examples import small_split
from worker.mlp.initializers import Parameters
from worker.tasks import time_training
from worker.tasks.subject import NotAvailableError, Subject

SPLIT = small_split(torch.float32)


def trained(implementation: str, params: dict[str, Any], networks: int = 3, epochs: int = 1) -> Parameters:
    """The first network after its epochs."""
    network = time_training.network(implementation, config_of(params), networks, SPLIT, seed=7)
    for epoch in range(1, epochs + 1):
        network.train_epoch(epoch)
    return network.parameters()


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("implementation", ["scratch", "fused"])
@pytest.mark.parametrize(
    "params", [{"hidden_units": 16, "batch_size": 32}, {"hidden_units": 8, "depth": 3, "batch_size": 64}, {"depth": 0}]
)
def test_implementations_agree_after_an_epoch(implementation: str, params: dict[str, Any], epochs: int) -> None:
    """From equal parameters, on the same mini-batches, within 1e-5 of the concise network, also in a later epoch."""
    expected = trained("concise", params, epochs=epochs)
    start = time_training.network("concise", config_of(params), 1, SPLIT, seed=7).parameters()
    for layer, concise_layer, first_layer in zip(
        trained(implementation, params, epochs=epochs), expected, start, strict=True
    ):
        for tensor, concise, first in zip(layer, concise_layer, first_layer, strict=True):
            assert torch.allclose(tensor, concise, rtol=0, atol=1e-5)
            assert not torch.allclose(concise, first, rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiler_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The trial ends with the compiler's own words, and without a value."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    subject = Subject(TASKS["time_training"].complete({"implementation": "compiled"}), torch.device("cpu"), 0, SPLIT)
    with pytest.raises(NotAvailableError, match=r"^torch\.compile does not work here: "), time_training.timer(subject):
        pass


def test_seconds_are_those_of_a_network() -> None:
    """Of networks that train together each counts its part, and examples_per_second says the same."""
    of_seconds, digits = TASKS["time_training"].of_seconds, DATASETS["digits"]
    assert of_seconds is not None
    assert of_seconds({"implementation": "fused", "networks": 4, "examples": 100}, digits, 8.0) == {
        "seconds_per_epoch": 2.0,
        "examples_per_second": 50.0,
    }
    assert of_seconds({"networks": 4}, digits, 2.0) == {"seconds_per_epoch": 2.0, "examples_per_second": 575.0}
