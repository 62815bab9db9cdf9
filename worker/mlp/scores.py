"""Loss and accuracy: the sums over examples on the device, and the means that are made of them."""

from typing import NamedTuple

import torch
from torch import Tensor


class Score(NamedTuple):
    """How well a network does on some examples."""

    loss: float  # mean cross-entropy, nats
    accuracy: float  # fraction of the examples whose class it tells


class RunningSums(NamedTuple):
    """Sums over the examples so far, for each run.

    They stay on the device until `means`: reading them after each step would make the host wait for it.
    """

    loss: Tensor  # [runs] cross-entropy, nats
    correct: Tensor  # [runs] int64, examples whose class has the largest logit

    @classmethod
    def zeros(
        cls,
        runs: int,
        like: Tensor,  # any shape: gives dtype and device
    ) -> "RunningSums":
        """The sums over no examples."""
        return cls(like.new_zeros(runs), torch.zeros(runs, dtype=torch.int64, device=like.device))

    def zero_(self) -> None:
        """Begins anew in the same memory, on which a captured step goes on adding."""
        self.loss.zero_()
        self.correct.zero_()

    def means(self, examples: int) -> list[Score]:
        """Mean loss and accuracy of each run; here the host waits for all steps of the device."""
        losses, hits = self.loss.tolist(), self.correct.tolist()
        return [Score(loss / examples, correct / examples) for loss, correct in zip(losses, hits, strict=True)]
