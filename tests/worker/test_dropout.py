"""Noise and masks of dropout."""

import pytest
import torch

from worker.dropout import draw, mask


def drawn(units: int, seed: int = 0, epoch: int = 1, step: int = 0, layer: int = 0) -> torch.Tensor:
    """The noise [units, 33] of one step."""
    return draw(torch.empty(units, 33), seed, epoch, step, layer)


def test_noise_does_not_depend_on_the_widths_beside_it() -> None:
    """The first units of a wide layer see what a narrow layer sees, so that masks do not depend on the cohort."""
    assert torch.equal(drawn(7), drawn(50)[:7])


def test_every_place_in_a_training_has_noise_of_its_own() -> None:
    """Another seed, epoch, step or layer gives unrelated noise; the same ones give it again."""
    others = [drawn(200, seed=1), drawn(200, epoch=2), drawn(200, step=1), drawn(200, layer=1)]
    assert torch.equal(drawn(200), drawn(200))
    for other in others:
        correlation = torch.corrcoef(torch.stack([drawn(200).flatten(), other.flatten()]))[0, 1]
        assert abs(correlation.item()) < 0.05


@pytest.mark.parametrize("dropout", [0.0, 0.2, 0.5, 0.9])
def test_a_mask_drops_its_share_and_keeps_the_mean(dropout: float) -> None:
    """That share of the entries is 0, and the others make up for it, as in torch.nn.Dropout."""
    found = mask(drawn(2000), dropout)
    assert (found == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert sorted({*found.flatten().tolist()}) == pytest.approx([0, 1 / (1 - dropout)] if dropout else [1])
