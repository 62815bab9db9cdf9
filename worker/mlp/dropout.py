"""The noise that decides which hidden units a step drops, the same numbers on every device.

Dropout is Srivastava et al. 2014, D2L 5.6. torch.nn.Dropout draws from the device's own generator, so that a mask would
depend on the device and on all that was drawn before; here it is a function of the run's seed and the step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.mlp.seeds import number_for

# The finalizer of Ettinger and Wellons ("lowbias32"): every bit of what goes in changes half of those that come out.
_MULTIPLIERS = 0x7FEB352D, 0x846CA68B - 2**32  # the second one as the int32 of the same bits
_SHIFTS = 16, 15


class Noise:
    """Noise of hidden layers, a step's at a time; each int32 as likely as any other.

    It is a hash of the layer's key and of the place in the batch, as in counter-based generators (Salmon et al. 2011):
    integer arithmetic, which every device does alike and in any order.
    """

    def __init__(
        self,
        widths: Sequence[int],  # units of each layer
        batch: int,
        device: torch.device,
    ) -> None:
        # Row-major from the first unit on: a unit's places are the same however many units stand behind it.
        unit = torch.cat([torch.arange(width, dtype=torch.int32, device=device) for width in widths])  # [units]
        counter = unit.unsqueeze(1) * batch + torch.arange(batch, dtype=torch.int32, device=device)  # [units, batch]
        self._layer_of_unit = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths)).to(device)  # [units]
        self._places, self._shifted = counter, torch.empty_like(counter)
        self._mix(self._places)  # once: neighbouring places are unrelated before any key comes
        self._values = torch.empty_like(counter)

    def draw(
        self,
        keys: Tensor,  # [layers, 2] int32
    ) -> Tensor:  # [units, batch] int32, the layers one below the other; written over by the next draw
        """The noise that belongs to the keys."""
        start, key = torch.split(keys.index_select(0, self._layer_of_unit), 1, 1)  # [units, 1] each
        torch.add(self._places, start, out=self._values)  # [units, batch], wraps around
        self._mix(self._values, key)
        return self._values

    def _mix(
        self,
        values: Tensor,  # [units, batch] int32, changed in place
        key: Tensor | None = None,  # [units, 1] int32
    ) -> None:
        for multiplier, shift in zip(_MULTIPLIERS, _SHIFTS, strict=True):
            torch.bitwise_right_shift(values, shift, out=self._shifted)
            # int32 is shifted with its sign, which the hash on unsigned numbers has not: it is masked away
            values.bitwise_xor_(self._shifted.bitwise_and_(2 ** (32 - shift) - 1))
            values.mul_(multiplier)
            if key is not None:
                values.bitwise_xor_(key)


def keys(
    seed: int,  # of the runs
    epoch: int,  # from 1
    steps: Sequence[int],  # of the epoch, from 0
    layers: int,  # hidden layers of the deepest run
) -> Tensor:  # [steps, layers, 2] int32, on the CPU
    """The key of each step and hidden layer.

    They belong to the seed and to nothing of the cohort: as with the order of the data, runs of equal seed see the same
    noise, and can be compared.
    """
    numbers = [number_for("dropout", seed, epoch, step, layer) for step in steps for layer in range(layers)]
    halves = [[(number & (2**32 - 1)) - 2**31, (number >> 32) - 2**31] for number in numbers]
    return torch.tensor(halves, dtype=torch.int32).view(len(steps), layers, 2)


def draw(
    units: int,
    batch: int,
    key: Tensor,  # [2] int32
) -> Tensor:  # [units, batch] int32, on the key's device
    """The noise of one step; a unit's numbers do not depend on how many units there are."""
    return Noise([units], batch, key.device).draw(key.view(1, 2))


def threshold(dropout: float) -> int:
    """Units survive where the noise is at least this; it is below it with the probability of the dropout."""
    return min(round(dropout * 2**32) - 2**31, 2**31 - 1)


def mask(
    noise: Tensor,  # [...] int32
    dropout: float,  # probability that a unit is dropped
) -> Tensor:  # [...] float: 0, or 1 / (1 - dropout), which keeps the mean
    """What a run's hidden values are multiplied with."""
    return (noise >= threshold(dropout)) / (1 - dropout)
