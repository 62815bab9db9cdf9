"""Noise and masks of dropout."""

import pytest
import torch

from worker.mlp.dropout import draw, keys, mask


def step_noise(units: int, seed: int = 0, epoch: int = 1, step: int = 0, layer: int = 0) -> torch.Tensor:
    """The noise [units, 33] of one step."""
    return draw(units, 33, keys(seed, epoch, [step], layer + 1)[0, layer])


def test_noise_does_not_depend_on_the_widths_beside_it() -> None:
    """The first units of a wide layer see what a narrow layer sees, so that masks do not depend on the cohort."""
    assert torch.equal(step_noise(7), step_noise(50)[:7])


def test_every_place_in_a_training_has_noise_of_its_own() -> None:
    """Another seed, epoch, step or layer gives unrelated noise; the same ones give it again."""
    unrelated = [step_noise(200, seed=1), step_noise(200, epoch=2), step_noise(200, step=1), step_noise(200, layer=1)]
    assert torch.equal(step_noise(200), step_noise(200))
    for noise in unrelated:
        correlation = torch.corrcoef(torch.stack([step_noise(200).flatten(), noise.flatten()]).double())[0, 1]
        assert abs(correlation.item()) < 0.05


@pytest.mark.parametrize("dropout", [0.0, 0.2, 0.5, 0.9])
def test_a_mask_drops_its_share_and_keeps_the_mean(dropout: float) -> None:
    """That share of the entries is 0, and the others make up for it, as in torch.nn.Dropout."""
    values = mask(step_noise(2000), dropout)
    assert (values == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert sorted({*values.flatten().tolist()}) == pytest.approx([0, 1 / (1 - dropout)] if dropout else [1])


def test_noise_is_as_even_as_chance_has_it() -> None:
    """Over 200 steps: each unit, each example and each of 256 levels comes as often as chance would have it, to five
    standard deviations; neighbouring units, examples and steps are uncorrelated."""
    noise = torch.stack([step_noise(64, step=step) for step in range(200)]).double() / 2**31  # [200, 64, 33] in [-1, 1)
    for places in ((0, 1), (0, 2), (1, 2)):
        count = noise.numel() / noise.sum(places).numel()
        assert noise.mean(places).abs().max().item() < 5 / (3 * count) ** 0.5
    levels = torch.histc(noise, 256, -1, 1)
    expected = noise.numel() / 256
    assert ((levels - expected) ** 2 / expected).sum().item() == pytest.approx(255, abs=5 * (2 * 255) ** 0.5)
    for place in range(3):
        size = noise.shape[place]
        first, second = noise.narrow(place, 0, size - 1), noise.narrow(place, 1, size - 1)
        assert abs(3 * (first * second).mean().item()) < 5 / first.numel() ** 0.5
