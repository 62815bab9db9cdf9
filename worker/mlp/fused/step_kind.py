"""What a training step consists of: runs of one kind are trained by the same operations."""

from typing import NamedTuple

from app.domain.configuration import MLPConfig


class StepKind(NamedTuple):
    """The parts of a training step; the members of a fused network agree in all of them."""

    rule: str  # the name of its optimizer in OPTIMIZERS
    label_smoothing: bool  # whether the targets are smoothed
    dropout: bool  # whether hidden units are dropped
    batch_norm: bool  # whether hidden units are normalized

    @classmethod
    def of(cls, config: MLPConfig) -> "StepKind":
        """The kind of step that a configuration takes; without hidden layers nothing is dropped or normalized."""
        hidden = bool(config.hidden_layers)
        dropout, batch_norm = hidden and config.dropout > 0, hidden and config.batch_norm
        return cls(config.update_rule, config.label_smoothing > 0, dropout, batch_norm)
