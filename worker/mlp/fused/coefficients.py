"""Coefficients of each run, such as its learning rate, spread over the parameters that they belong to."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from app.domain.configuration import MLPConfig
from worker.mlp.fused.pieces import Piece
from worker.mlp.fused.step_table import StepTable
from worker.mlp.schedules import is_constant


class Coefficients(NamedTuple):
    """What a rule is told beside parameters, grads and state: a number for each run, in the shape of a piece's `runs`.

    None where it is the same for all runs as if it were not there.
    """

    rate: Tensor  # the learning rate of the step
    shrinkage: Tensor | None  # 1 - rate * weight_decay, of a decay that is not part of the gradient
    penalty: Tensor | None  # weight_decay, of one that is: the gradient of the L2 penalty over the parameter. D2L 3.7
    momentum: Tensor  # or one 0 for all


class RunCoefficients:
    """The coefficients of all runs: those of the step are loaded by the host for many steps and selected on the device.

    Where they are the same in every step of an epoch nothing is left to do in a step.
    """

    def __init__(
        self,
        configs: Sequence[MLPConfig],  # one a run
        decoupled: bool,  # whether weight decay is apart from the gradient whatever the configuration
        pieces: Sequence[Piece],
        like: Tensor,  # any shape: gives dtype and device
    ) -> None:
        apart = [decoupled or config.optimizer == "adamw" for config in configs]
        decay = [config.weight_decay for config in configs]
        self._decay = torch.tensor(decay, dtype=torch.float64) * torch.tensor(apart)  # [runs], on the CPU
        self.penalties = [0.0 if is_apart else share for share, is_apart in zip(decay, apart, strict=True)]
        momentum = [config.momentum for config in configs]
        self._changes = not all(is_constant(config) for config in configs)
        # plain SGD has its rate in the grads: without decay nothing is spread
        spreads = not decoupled or bool(self._decay.any())
        runs = torch.cat([piece.runs.flatten() for piece in pieces])
        self._runs = runs[: len(runs) * spreads].to(like.device)  # [spread] int64
        self._names = ["rate", *(["shrinkage"] if self._decay.any() else [])]
        self._table = StepTable(len(self._names) * len(configs), like)
        self.rates = self._table.current[0, : len(configs)]  # [runs]
        self._spread = like.new_zeros(len(self._names), len(self._runs))  # [names, spread]
        spread = dict(zip(self._names, self._spread, strict=True))
        for name, values in {"penalty": self.penalties, "momentum": momentum}.items():
            if any(values):
                spread[name] = like.new_tensor(values)[self._runs]
        self.by_piece: list[Coefficients] = []
        stop = 0
        for piece in pieces:
            start, stop = stop, stop + piece.runs.numel()
            c = Coefficients(rate=like.new_zeros(()), shrinkage=None, penalty=None, momentum=like.new_zeros(()))
            if spreads:
                views = {name: numbers[start:stop].view(piece.runs.shape) for name, numbers in spread.items()}
                c = c._replace(**views)
            self.by_piece.append(c)

    def load(
        self,
        rates: Tensor,  # [steps, runs] float64, on the CPU
    ) -> None:
        """Prepares the next steps."""
        shrinkage = [1 - rates * self._decay] if len(self._names) > 1 else []
        self._table.load(torch.cat([rates, *shrinkage], 1))
        if not self._changes:
            self._table.select(torch.zeros(1, dtype=torch.int64, device=self._spread.device))
            self._spread_current()

    def select(
        self,
        cursor: Tensor,  # [1] int64, how many of the loaded steps were taken
    ) -> None:
        """Goes to the step at the cursor."""
        if self._changes:
            self._table.select(cursor)
            self._spread_current()

    def _spread_current(self) -> None:
        torch.index_select(self._table.current.view(len(self._names), -1), 1, self._runs, out=self._spread)
