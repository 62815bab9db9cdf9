"""How thoroughly an exercise is run."""

from typing import Literal

Preset = Literal["quick", "full"]
