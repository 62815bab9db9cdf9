"""Model files: safetensors whose metadata says what the network is. Needs no torch.

A safetensors file is the length of its header (8 bytes, little-endian), the header as JSON, and the numbers. The
header's `__metadata__` maps text to text; here text stands as it is, and everything else as JSON.
"""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.domain.tables.encoding import Encoding

FORMAT = 1  # of the metadata
MAX_HEADER = 100_000_000  # bytes, as in safetensors itself
MAX_WEIGHTS_HEADER = 2**20  # of weights without a description: the names and shapes of their layers


class ModelFileError(ValueError):
    """The bytes are no model file; the sentence says why."""


class ModelInfo(BaseModel):
    """The description in a model file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    perceptune_format: int = FORMAT
    perceptune_version: str
    dataset: str
    split: str
    features: int
    classes: list[str]  # names in the order of the outputs; none where it gives a number
    hidden_layers: list[int]  # widths
    activation: str
    params: dict[str, Any]  # the trial's, with the defaults of those that it did not set
    sweep: int
    sweep_name: str
    trial: int
    run: int
    sweep_seed: int
    metric: str
    value: float  # the run's metric with exactly these weights
    recorded_value: float  # that of the first training; another one where training it again gave another number
    encoding: Encoding | None = None  # of a data set that was stored from a table: how its rows become features
    quantity: str = ""  # what the number is
    unit: str = ""  # what it is counted in

    @property
    def outputs(self) -> int:
        """Outputs of the network: one for each class, or one for the number."""
        return len(self.classes) or 1


def with_info(weights: bytes, info: ModelInfo) -> bytes:
    """The safetensors with the description added to its metadata. Raises ModelFileError."""
    header, numbers = split_file(weights, MAX_WEIGHTS_HEADER)
    return b"".join([head_with_info(header, info), numbers])


def head_with_info(header: dict[str, Any], info: ModelInfo) -> bytes:
    """What stands before the numbers of a safetensors file with this header, and the description added to its metadata,
    whose own entries stay, the `value` above all."""
    fields = info.model_dump()
    description = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    metadata = {"format": "pt"} | description | header.get("__metadata__", {})
    header_bytes = json.dumps(header | {"__metadata__": metadata}).encode()
    header_bytes += b" " * (-len(header_bytes) % 8)  # so that the numbers lie aligned
    return len(header_bytes).to_bytes(8, "little") + header_bytes


def read_info(content: bytes) -> ModelInfo:
    """The description of a model file. Raises ModelFileError."""
    header, _ = split_file(content)
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


def split_file(content: bytes, max_header: int = MAX_HEADER) -> tuple[dict[str, Any], memoryview]:
    """Header and numbers, which may be hundreds of megabytes and are not copied. Raises ModelFileError."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(len(content) - 8, max_header):
        raise ModelFileError("it is no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise ModelFileError("it is no safetensors file") from None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise ModelFileError("it is no safetensors file")
    return header, memoryview(content)[8 + length :]


def _decoded(name: str, text: str) -> Any:
    """The value of an entry of the metadata: a text itself, anything else from its JSON."""
    field = ModelInfo.model_fields.get(name)
    return text if field is None or field.annotation is str else json.loads(text)
