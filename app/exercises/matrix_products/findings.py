"""What the speeds show: what a size that is not aligned costs, what fewer bits bring, and the GPU."""

from collections.abc import Sequence

from app.domain.formatting import plural
from app.exercises.answers.circumstances import circumstances_caveats, failures_text
from app.exercises.answers.finding import Finding
from app.exercises.answers.ratios import brief_verdict, ratio_verdict, times
from app.exercises.answers.wording import name_list, spread
from app.exercises.exercise import Measurements, SweepData
from app.exercises.matrix_products.memory_bus import bus_sentences
from app.exercises.matrix_products.named_sizes import named_findings, named_sentence
from app.exercises.matrix_products.speeds import (
    ALIGNMENT,
    DEVICES,
    DTYPES,
    GPU,
    GPU_MEMORY,
    MEMORY,
    NARROW,
    Alignment,
    Product,
    Speeds,
    alignment,
    extremes,
    reference_size,
    sizes_by_power,
)

GFLOPS = "gflops"


def first_sentence(speeds: Speeds, devices: Sequence[str], measurements: Measurements) -> str:
    """What alignment brings on each device, what was not measured, and what is known of the memory."""
    texts = []
    for device in devices:
        value = alignment(speeds, device)
        if value is not None:
            texts.append(_alignment_text(device, value))
        is_unsettled = value is not None and value.ratio.disturbed
        texts.append(named_sentence(speeds, device, beside_disturbed=is_unsettled))
    if "gpu" not in devices:
        texts.append(_no_gpu(measurements[GPU]))
    return " ".join(filter(None, [*texts, *bus_sentences(measurements[MEMORY], measurements[GPU_MEMORY])]))


def _alignment_text(device: str, value: Alignment) -> str:
    """`On the processor, misaligned matrices (...) are multiplied clearly slower than aligned ones: at 0.95 times ...`.

    Of what is not clear nothing is called slower or faster.
    """
    counted = f"{value.misaligned:,} misaligned and {plural(value.aligned, 'aligned size')}"
    speed = f"at {times(value.ratio, counted=counted)} the speed"
    head = f"On {DEVICES[device]}, misaligned matrices (of a size that is not divisible by {ALIGNMENT}) are multiplied "
    if value.ratio.is_clear:
        return f"{head}clearly {'slower' if value.ratio.estimate < 1 else 'faster'} than aligned ones: {speed}."
    verdict = brief_verdict(value.ratio, counted="these sizes")
    return f"{head}{speed} of aligned ones: {verdict}{_disturbed_text(value) if value.ratio.disturbed else ''}."


def _disturbed_text(value: Alignment) -> str:
    """`, as other programs had much of the processor at 7 of the 46 sizes`."""
    sizes_text = plural(value.misaligned + value.aligned, "size")
    joint = ", as" if value.ratio.leaves_out_1 else "; and"
    return f"{joint} other programs had much of the processor at {value.disturbed:,} of the {sizes_text}"


def alignment_findings(speeds: Speeds, device: str) -> list[Finding]:
    """How fast misaligned sizes are beside aligned ones, over all sizes and around each power of two."""
    value = alignment(speeds, device)
    if value is None:
        return []
    ratio, total = value.ratio, value.misaligned + value.aligned
    sizes_text = plural(total, "size")
    text = (
        f"Over all sizes on {DEVICES[device]}, misaligned ones have {times(ratio, counted=sizes_text)} the speed of "
        f"aligned ones, {ratio_verdict(ratio, counted=sizes_text)}.{_powers_text(value)}"
    )
    settings = {"device": device, "dtype": "float32"}
    return [Finding(f"misaligned_{device}", text, ratio.estimate, ratio.interval, total, "times", settings)]


def _extremes_text(speeds: Speeds, device: str) -> str:
    """How far single sizes are from what is so in the mean."""
    texts = [
        f"{'divisible' if is_aligned else 'not divisible'} by {ALIGNMENT} from {low[0]:.2f} (size {low[1]:,}) to "
        f"{high[0]:.2f} times ({high[1]:,})"
        for is_aligned, (low, high) in sorted(extremes(speeds, device).items())
    ]
    return f" Single sizes differ: {', '.join(texts)} the speed of the nearest power of two." if texts else ""


def _no_gpu(data: SweepData) -> str:
    reason = failures_text(data.trials)
    return f"A GPU was not measured: {reason}" if reason else "A GPU has not been measured yet."


def size_findings(speeds: Speeds, device: str) -> list[Finding]:
    """What one more row and column costs, and two, four and eight; and the speed of the power of two."""
    power = reference_size(speeds, device)
    if not power:
        return []
    base = speeds[Product(device, "float32", power)]
    text = (
        f"On {DEVICES[device]}, a float32 product of size {power:,} runs at {spread(base, GFLOPS)}, "
        f"{plural(base.n, 'repeat')}."
    )
    settings: dict[str, object] = {"device": device, "size": power}
    speed = Finding(f"speed_{device}", text, base.mean, base.interval, base.n, "GFLOP/s", settings)
    findings = named_findings(speeds, device)
    for size in (power + 1, power + 2, power + 4, power + 8):
        level = speeds.get(Product(device, "float32", size))
        value = speeds.ratio(Product(device, "float32", size), Product(device, "float32", power))
        if level is None or value is None:
            continue
        text = (
            f"Size {size:,} on {DEVICES[device]}: {spread(level, GFLOPS)}, {times(value)} the speed of {power:,} "
            f"({spread(base, GFLOPS)}), {ratio_verdict(value)}."
        )
        settings = {"device": device, "size": size}
        name = f"size_{device}_plus_{size - power}"
        findings.append(Finding(name, text, value.estimate, value.interval, value.n, "times", settings))
    return [*findings, speed]


def dtype_findings(speeds: Speeds, measurements: Measurements) -> list[Finding]:
    """What fewer bits bring on each device, or why that is not known."""
    findings = []
    for device, dtype in (("cpu", "bfloat16"), ("gpu", "tf32"), ("gpu", "bfloat16")):
        power = reference_size(speeds, device, dtype)
        narrow = speeds.get(Product(device, dtype, power))
        value = speeds.ratio(Product(device, dtype, power), Product(device, "float32", power))
        if narrow is not None and value is not None:
            text = (
                f"{DTYPES[dtype]} on {DEVICES[device]} at size {power:,}: {spread(narrow, GFLOPS)}, {times(value)} the "
                f"speed of float32, {ratio_verdict(value)}."
            )
            settings = {"device": device, "dtype": dtype, "size": power}
            name = f"{dtype}_{device}"
            findings.append(Finding(name, text, value.estimate, value.interval, value.n, "times", settings))
            findings.extend(named_findings(speeds, device, dtype))
        elif device == "cpu" and (reason := failures_text(measurements[NARROW].trials)):
            findings.append(
                Finding("bfloat16_cpu", f"bfloat16 was not measured on the processor: {reason}", unit="times")
            )
    return findings


def gpu_findings(speeds: Speeds, data: SweepData) -> list[Finding]:
    """How many times as fast the GPU is, or that nobody knows."""
    power = reference_size(speeds, "cpu")
    value = speeds.ratio(Product("gpu", "float32", power), Product("cpu", "float32", power))
    if value is None:
        return [Finding("gpu_to_cpu", _no_gpu(data), unit="times")]
    text = f"At size {power:,} the GPU has {times(value)} the speed of the processor, {ratio_verdict(value)}."
    return [Finding("gpu_to_cpu", text, value.estimate, value.interval, value.n, "times", {"size": power})]


def certainty(speeds: Speeds, devices: Sequence[str]) -> str:
    values = {device: value for device in devices if (value := alignment(speeds, device)) is not None}
    texts = [
        f"The comparison on {DEVICES[device]} rests on {plural(value.aligned, 'aligned size')} and "
        f"{plural(value.misaligned, 'misaligned size')} around {plural(len(sizes_by_power(speeds, device)), 'power')} "
        f"of two, each beside the mean of the aligned ones there{_left_out_text(value)}."
        f"{_extremes_text(speeds, device)}"
        for device, value in values.items()
    ]
    return " ".join(texts) or "No power of two was timed with its neighbours."


def _powers_text(value: Alignment) -> str:
    """` Of the aligned ones' speed, misaligned sizes have 0.951 around 512 and 0.960 around 1,024.`"""
    texts = [f"{share:.3f} around {power:,}" for power, share in value.by_power.items()]
    return f" Of the aligned ones' speed, misaligned sizes have {name_list(texts)}." if len(texts) > 1 else ""


def _left_out_text(value: Alignment) -> str:
    """`; 1 size that other programs disturbed is left out`."""
    if not value.left_out:
        return ""
    return (
        f"; {plural(value.left_out, 'size')} that other programs disturbed {'are' if value.left_out > 1 else 'is'} "
        "left out"
    )


def caveats(measurements: Measurements, devices: Sequence[str]) -> list[str]:
    trials = [trial for data in measurements.values() for trial in data.trials]
    return [
        f"Not tested: {'' if 'gpu' in devices else 'a GPU, '}matrices that are not square, other libraries and other "
        "numbers of threads, which may treat sizes otherwise.",
        "A product of size n counts as 2 n³ operations. Each repeat multiplies for at least a tenth of a second, after "
        "a warm-up, into memory that is there already.",
        "Sizes around one power of two are beside the same mean of its aligned ones and share its error, so the "
        "interval over sizes is a little too narrow.",
        *circumstances_caveats(trials),
        "Each interval has 95 % confidence by itself; among many, some would look clear by luck. Repeats follow each "
        "other, so an interval is of their minutes alone: a run at another time may differ by more.",
    ]
