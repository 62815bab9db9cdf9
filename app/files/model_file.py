"""Model files: safetensors whose metadata says what the network is. Pure, and without torch.

A safetensors file is the length of its header (8 bytes, little-endian), the header as JSON, and the numbers. The
header's `__metadata__` maps text to text; here text stands as it is, and everything else as JSON.
"""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

FORMAT = 1  # of the metadata
MAX_HEADER = 100_000_000  # bytes, as in safetensors itself


class ModelFileError(ValueError):
    """The bytes are no model file; the sentence says why."""


class ModelInfo(BaseModel):
    """What a model file says of itself.

    `hidden_layers` are widths, `classes` names in the order of the outputs. `params` are the trial's, completed.
    `value` is the run's metric with exactly these weights; `recorded_value` that of the trial's own training, another
    one only where training it again did not give the same number.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    perceptune_format: int = FORMAT
    perceptune_version: str
    dataset: str
    split: str
    features: int
    classes: list[str]
    hidden_layers: list[int]
    activation: str
    params: dict[str, Any]
    sweep: int
    sweep_name: str
    trial: int
    run: int
    sweep_seed: int
    metric: str
    value: float
    recorded_value: float


def with_info(weights: bytes, info: ModelInfo) -> bytes:
    """The safetensors with the description as metadata; what its metadata says already stays, its `value` above all."""
    header, numbers = _split(weights)
    described = {name: value if isinstance(value, str) else json.dumps(value) for name, value in info}
    header["__metadata__"] = {"format": "pt"} | described | header.get("__metadata__", {})
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)  # so that the numbers lie aligned
    return len(written).to_bytes(8, "little") + written + numbers


def read_info(content: bytes) -> ModelInfo:
    """The description of a model file. Raises ModelFileError."""
    header, _ = _split(content)
    metadata = header.get("__metadata__", {})
    if "perceptune_format" not in metadata:
        raise ModelFileError("it is a safetensors file, but not one of Perceptune")
    try:
        info = ModelInfo.model_validate({name: _decoded(name, text) for name, text in metadata.items()})
    except (TypeError, ValueError, RecursionError):  # pydantic's own is a ValueError
        raise ModelFileError("its metadata are damaged") from None
    if info.perceptune_format > FORMAT:
        raise ModelFileError(f"it was made by a newer Perceptune, {info.perceptune_version}")
    return info


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and numbers. Raises ModelFileError."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(len(content) - 8, MAX_HEADER):
        raise ModelFileError("it is no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise ModelFileError("it is no safetensors file") from None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ModelFileError("it is no safetensors file")
    return header, content[8 + length :]


def _decoded(name: str, text: str) -> Any:
    field = ModelInfo.model_fields.get(name)
    return text if field is None or field.annotation is str else json.loads(text)
