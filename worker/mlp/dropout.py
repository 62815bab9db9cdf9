"""The noise that decides which hidden units a step drops: drawn on the device, the same on every one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.mlp.seeds import number_for

# The finalizer of Ettinger and Wellons ("lowbias32"): every bit of what goes in changes half of those that come out.
_MULTIPLIERS = 0x7FEB352D, 0x846CA68B - 2**32
_SHIFTS = 16, 15


class Noise:
    """Noise [units, batch] int32 of a hidden layer, a step's at a time; each value as likely as any other.

    It is a hash of a key and of the place in the batch, as in counter-based generators (Salmon et al. 2011): integer
    arithmetic, which every device does alike and in any order.
    """

    def __init__(self, units: int, batch: int, device: torch.device) -> None:
        counter = torch.arange(units, dtype=torch.int32, device=device).unsqueeze(1) * batch
        counter = counter + torch.arange(batch, dtype=torch.int32, device=device)
        self._places, self._shifted = counter, torch.empty_like(counter)
        self._mix(self._places)
        self._values = torch.empty_like(counter)

    def draw(self, key: Tensor) -> Tensor:
        """The noise that belongs to a key [2] int32; it is written over by the next."""
        torch.add(self._places, key[0], out=self._values)
        self._mix(self._values, key[1])
        return self._values

    def _mix(self, values: Tensor, key: Tensor | None = None) -> None:
        for multiplier, shift in zip(_MULTIPLIERS, _SHIFTS, strict=True):
            torch.bitwise_right_shift(values, shift, out=self._shifted)
            values.bitwise_xor_(self._shifted.bitwise_and_(2 ** (32 - shift) - 1))  # the sign does not follow
            values.mul_(multiplier)
            if key is not None:
                values.bitwise_xor_(key)


def keys(seed: int, epoch: int, steps: Sequence[int], layers: int) -> Tensor:
    """The keys [steps, layers, 2] int32, on the CPU, of steps (from 0) of an epoch (from 1), for each hidden layer.

    They belong to the seed and to nothing of the cohort: as with the order of the data, runs of equal seed see the same
    noise, and can be compared.
    """
    numbers = [number_for("dropout", seed, epoch, step, layer) for step in steps for layer in range(layers)]
    halves = [[(number & (2**32 - 1)) - 2**31, (number >> 32) - 2**31] for number in numbers]
    return torch.tensor(halves, dtype=torch.int32).view(len(steps), layers, 2)


def draw(units: int, batch: int, key: Tensor) -> Tensor:
    """The noise [units, batch] int32 of a key [2] int32, on its device.

    A unit's numbers are the same however many units there are, so that a run's masks do not depend on its cohort.
    """
    return Noise(units, batch, key.device).draw(key)


def threshold(dropout: float) -> int:
    """Units are kept where the noise is at least this; it is below it with the probability of the dropout."""
    return min(round(dropout * 2**32) - 2**31, 2**31 - 1)


def mask(noise: Tensor, dropout: float) -> Tensor:
    """What a run's hidden values are multiplied with: 0, or 1 / (1 - dropout). Srivastava et al. 2014."""
    return (noise >= threshold(dropout)) / (1 - dropout)
