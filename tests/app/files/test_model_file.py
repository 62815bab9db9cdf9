"""Model files as bytes: what is written is read again, and what is no model file is refused with a reason."""

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.files import network
from app.files.model_file import ModelFileError, ModelInfo, read_info, with_info

INFO = ModelInfo(
    perceptune_version="0.1.0",
    dataset="digits",
    split="holdout",
    features=1,
    classes=["no", "ja, öfter"],
    hidden_layers=[],
    activation="relu",
    params={"hidden_layers": [], "batch_norm": False},
    sweep=7,
    sweep_name='Breite "1"',
    trial=3,
    run=0,
    sweep_seed=0,
    metric="val_accuracy",
    value=0.1 + 0.2,
    recorded_value=0.3,
)


def safetensors(metadata: object = None, numbers: bytes = bytes(8)) -> bytes:
    """A file with one tensor."""
    header = {"0.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}
    header_bytes = json.dumps(header | ({"__metadata__": metadata} if metadata is not None else {})).encode()
    return len(header_bytes).to_bytes(8, "little") + header_bytes + numbers


def test_what_is_written_is_read_again() -> None:
    """Every field, to the last digit; the numbers are as they were and lie aligned."""
    content = with_info(safetensors(numbers=b"abcdefgh"), INFO)
    assert read_info(content) == INFO
    assert content.endswith(b"abcdefgh")
    assert (len(content) - 8) % 8 == 0


def test_the_weights_own_value_stays() -> None:
    """What the worker wrote beside the numbers is the value of these numbers; the recorded one stands beside it."""
    info = read_info(with_info(safetensors({"value": "0.25"}), INFO))
    assert (info.value, info.recorded_value) == (0.25, 0.3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no safetensors file"),
        (b"GIF89a, and what else belongs to an image", "no safetensors file"),
        (b"\2\0\0\0\0\0\0\0[]", "no safetensors file"),
        (safetensors()[:40], "no safetensors file"),
        (safetensors(), "not one of Perceptune"),
        (safetensors({"format": "pt"}), "not one of Perceptune"),
        (safetensors([1]), "no safetensors file"),
        (safetensors({"perceptune_format": "1"}), "metadata are damaged"),
        (safetensors({"perceptune_format": "{"}), "metadata are damaged"),
        (safetensors({"perceptune_format": 1}), "metadata are damaged"),
        (with_info(safetensors(), INFO.model_copy(update={"perceptune_format": 2})), "a newer Perceptune, 0.1.0"),
    ],
)
def test_what_is_no_model_file_is_refused(content: bytes, why: str) -> None:
    """The sentence says which of the many things it is not."""
    with pytest.raises(ModelFileError, match=why):
        read_info(content)


def test_gelu_of_very_many_numbers_lets_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python computes so many without a break, and no other thread of the server does anything meanwhile."""
    erf, sizes = network._erf_at_once, list[int]()

    def counted(z: NDArray[np.float32]) -> Any:
        sizes.append(z.size)
        return erf(z)

    monkeypatch.setattr(network, "_erf_at_once", counted)
    z = np.linspace(-4, 4, 100_000, dtype=np.float32).reshape(100, 1_000)
    gelu = network.ACTIVATIONS["gelu"](z)
    assert sum(sizes) == z.size
    assert max(sizes) <= 20_000
    assert np.array_equal(gelu, (z * 0.5 * (1 + erf(z / math.sqrt(2)))).astype(np.float32))
