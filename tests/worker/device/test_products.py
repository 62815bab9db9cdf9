"""With how many digits products are taken: by the settings of a worker, and for one sweep at a time."""

import pytest
import torch

from app.config import Settings, load_settings
from app.errors import StartError
from worker.device.products import choose_products, products, rounds_to_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_products_are_exact_unless_others_are_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting is off, `true` turns it on, and another word gets a sentence."""
    variable = f"PERCEPTUNE_{name.upper()}"
    assert getattr(Settings(), name) is False
    monkeypatch.setenv(variable, "true")
    assert getattr(load_settings(), name) is True
    monkeypatch.setenv(variable, "perhaps")
    with pytest.raises(StartError, match=f"{variable}='perhaps' can't be used: it should be a valid boolean"):
        load_settings()


def test_tf32_changes_nothing_on_a_cpu() -> None:
    """A worker there has exact products, and says so; within those of TF32 they are exact too."""
    factors = torch.rand(2, 300, 300)
    exact = factors[0] @ factors[1]
    assert choose_products(CPU, tf32=True, bf16=False) == "float32"
    with products("TF32"):
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.equal(factors[0] @ factors[1], exact)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_bfloat16_is_refused_where_it_would_save_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor that goes on with all digits, and on other devices; on others it is what a worker trains with."""
    with pytest.raises(ValueError, match="it is for processors, and this worker trains on mps"):
        choose_products(torch.device("mps"), tf32=False, bf16=True)
    monkeypatch.setattr("worker.device.products.rounds_to_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="torch rounds no products on this processor, which has no AMX"):
        choose_products(CPU, tf32=False, bf16=True)
    monkeypatch.setattr("worker.device.products.rounds_to_bfloat16", lambda: True)
    assert choose_products(CPU, tf32=False, bf16=True) == "bfloat16"


def test_whether_a_processor_rounds_is_tried() -> None:
    """It rounds where AMX is; elsewhere products that may be rounded have all their digits."""
    factors = torch.rand(2, 256, 256)
    exact = factors[0] @ factors[1]
    with products("bfloat16"):
        difference = ((factors[0] @ factors[1] - exact).norm() / exact.norm()).item()
    assert rounds_to_bfloat16() == (difference > 1e-5)
    assert rounds_to_bfloat16() or not torch.cpu._is_amx_tile_supported()


@pytest.mark.skipif(not rounds_to_bfloat16(), reason="needs a processor with AMX")
def test_bfloat16_is_close_and_not_the_same() -> None:
    """Factors have 8 bits, and sums all of float32; behind the block products are whole again, also behind an error."""
    factors = torch.rand(2, 512, 512)
    exact = factors[0] @ factors[1]
    with products("bfloat16"):
        rounded = factors[0] @ factors[1]
    expected = factors[0].bfloat16().double() @ factors[1].bfloat16().double()
    assert ((rounded - expected).norm() / expected.norm()).item() < 1e-6
    assert ((rounded - exact).norm() / exact.norm()).item() > 1e-4
    with pytest.raises(ZeroDivisionError), products("bfloat16"):
        1 / 0  # noqa: B018
    assert torch.equal(factors[0] @ factors[1], exact)
