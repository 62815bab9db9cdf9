"""The five sizes that exercise 7 names: a power of two, three misaligned ones near it, and an aligned one."""

from app.exercises.answers.finding import Finding
from app.exercises.answers.ratios import Ratio, brief_verdict, quotient, ratio_verdict, times
from app.exercises.answers.wording import name_list
from app.exercises.matrix_products.speeds import ALIGNMENT, DEVICES, DTYPES, Product, Speeds, reference_size

BOOK_SIZE = 1024
MISALIGNED = (1, 2, 4)  # beyond the power of two


def named_sentence(speeds: Speeds, device: str, *, beside_disturbed: bool) -> str:
    """How fast the aligned size is beside the misaligned ones in float32; empty where these sizes were not timed.

    `beside_disturbed`: whether it stands beside what is not settled, as others disturbed it.
    """
    power = _power(speeds, device, "float32")
    misaligned, aligned = _misaligned(power), power._replace(size=power.size + ALIGNMENT)
    value = speeds.pooled_ratio([aligned], misaligned)
    if power.size != BOOK_SIZE or value is None or power not in speeds:
        return ""
    return (
        f"Of the sizes that the exercise names, the aligned {aligned.size:,} has {times(value)} the speed of the "
        f"misaligned {name_list([f'{product.size:,}' for product in misaligned])}: {brief_verdict(value)}"
        f"{', for these were timed undisturbed' if beside_disturbed and value.is_clear else ''}"
        f"{f';{only}' if (only := _outstanding_text(speeds, power, value)) else ''}."
    )


def _outstanding_text(speeds: Speeds, power: Product, value: Ratio) -> str:
    """` only 1,024 stands out`, where the misaligned ones are slower than it, and the aligned one is not faster."""
    losses = [speeds.ratio(product, power) for product in _misaligned(power)]
    is_alone = all(loss is not None and loss.is_clear and loss.estimate < 1 for loss in losses)
    return f" only {power.size:,} stands out" if is_alone and not value.leaves_out_1 else ""


def named_findings(speeds: Speeds, device: str, dtype: str = "float32") -> list[Finding]:
    """Whether the aligned size is faster than the misaligned ones, or only the power of two stands out."""
    power = _power(speeds, device, dtype)
    misaligned = _misaligned(power)
    aligned = power._replace(size=power.size + ALIGNMENT)
    beside, value = speeds.ratio(aligned, power), speeds.pooled_ratio([aligned], misaligned)
    losses = [loss for product in misaligned if (loss := speeds.ratio(product, power)) is not None]
    if power.size != BOOK_SIZE or beside is None or value is None:
        return []
    low, high = (f"{bound(loss.estimate for loss in losses):.3f}" for bound in (min, max))
    text = (
        f"{DTYPES[dtype]} on {DEVICES[device]}, at the sizes that the exercise names: the misaligned "
        f"{name_list([f'{product.size:,}' for product in misaligned])} have {low} to {high} times the speed of "
        f"{power.size:,}, and the aligned {aligned.size:,} has {beside.estimate:.3f}. That is {times(value)} the speed "
        f"of the misaligned three, {ratio_verdict(value)}"
        f"{f':{only}' if (only := _outstanding_text(speeds, power, value)) else ''}."
        f"{_beside_float32_text(speeds, device, dtype)}"
    )
    settings: dict[str, object] = {"device": device, "dtype": dtype, "size": aligned.size}
    name = f"named_sizes_{dtype}_{device}"
    return [Finding(name, text, value.estimate, value.interval, value.n, "times", settings)]


def _beside_float32_text(speeds: Speeds, device: str, dtype: str) -> str:
    """Whether misaligned sizes have another part of the speed in a narrower type."""
    power = _power(speeds, device, dtype)
    wide_power = power._replace(dtype="float32")
    loss = speeds.pooled_ratio(_misaligned(power), [power])
    wide_loss = speeds.pooled_ratio(_misaligned(wide_power), [wide_power])
    if dtype == "float32" or loss is None or wide_loss is None:
        return ""
    change = quotient(loss, wide_loss)
    return (
        f" Together the three have {loss.estimate:.3f} times the speed of {power.size:,}, in float32 "
        f"{wide_loss.estimate:.3f}: that these differ is {ratio_verdict(change)}."
    )


def _power(speeds: Speeds, device: str, dtype: str) -> Product:
    return Product(device, dtype, reference_size(speeds, device, dtype))


def _misaligned(power: Product) -> list[Product]:
    return [power._replace(size=power.size + offset) for offset in MISALIGNED]
