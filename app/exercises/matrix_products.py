"""Exercise 7: how fast matrices are multiplied, by their sizes and devices, and the memory's bus."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.rows import Axis, TrialRow
from app.domain.formatting import plural, score
from app.domain.tasks import TASKS
from app.exercises.answers.circumstances import circumstances_caveats, disturbed_settings, failures_text
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.ratios import Ratio, ratio, ratio_of, ratio_verdict, times
from app.exercises.answers.wording import runs_of, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, SweepData
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.memory_bus import bus_findings

PRODUCTS, NARROW, GPU = "products", "bfloat16", "gpu"  # the sweeps
MEMORY, GPU_MEMORY = "memory", "gpu_memory"
BOOK_SIZES = [1024, 1025, 1026, 1028, 1032]
NEAR = [-8, -4, -2, -1, 0, 1, 2, 4, 8]  # sizes around a power of two
CLOSE = [*range(-8, 9), 12, 16]
POWERS = {"quick": [512, 2048], "full": [256, 512, 2048]}
REPEATS = {"quick": 5, "full": 9}
THREADS = {"quick": [0], "full": [1, 0]}  # 0: one for each core
ALIGNMENT = 8  # numbers: 32 bytes of float32
GFLOPS = "gflops"
DTYPES = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16"}
DEVICES = {"cpu": "the processor", "gpu": "the GPU"}


class Product(NamedTuple):
    """What was timed."""

    device: str
    dtype: str
    size: int


class Speeds(dict[Product, Level[Product]]):
    """What was timed, and those products that others disturbed."""

    disturbed: set[Product]

    def ratio(self, first: Product, second: Product) -> Ratio | None:
        """How many times as fast the first is as the second; None where one was not timed."""
        if not self.keys() >= {first, second}:
            return None
        value = ratio(self[first], self[second])
        return value and replace(value, disturbed=not self.disturbed.isdisjoint({first, second}))


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """Products on the processor and on the GPU, which fail where there is none, and memory on both."""
    near = NEAR if preset == "quick" else CLOSE
    close = [1024 + offset for offset in near]
    sizes = sorted({*close} | {power + offset for power in POWERS[preset] for offset in NEAR})
    on_cpu, on_gpu = {"device": "cpu"}, {"device": "gpu"}
    memory = {"operation": ["copy", "scale", "add", "triad"]}  # arrays of four times the last cache
    spaces: dict[str, tuple[str, str, dict[str, Any]]] = {
        PRODUCTS: ("time_matmul", "products", {"size": sizes, "dtype": "float32", **on_cpu}),
        NARROW: ("time_matmul", "bfloat16", {"size": BOOK_SIZES, "dtype": "bfloat16", **on_cpu}),
        GPU: ("time_matmul", "on a GPU", {"size": close, "dtype": ["float32", "tf32", "bfloat16"], **on_gpu}),
        MEMORY: ("time_memory", "memory", {**memory, "threads": THREADS[preset], **on_cpu}),
        GPU_MEMORY: ("time_memory", "memory of a GPU", {**memory, **on_gpu}),
    }
    return {
        sweep: {
            "name": f"Exercise 7: {title} ({preset})",
            "task": task,
            "space": space,
            "sampler": "grid",
            "seeds": REPEATS[preset],
        }
        for sweep, (task, title, space) in spaces.items()
    }


def answer(measurements: Measurements) -> Answer | None:
    """What a size that is not aligned costs on each device, and what is known of the memory."""
    speeds = _speeds(measurements)
    if not speeds:
        return None
    devices = [device for device in DEVICES if any(product.device == device for product in speeds)]
    bus = bus_findings(measurements[MEMORY], measurements[GPU_MEMORY])
    sizes = [finding for device in devices for finding in _size_findings(speeds, device)]
    findings = [
        *sizes[:1],
        *bus,
        *sizes[1:],
        *_dtype_findings(speeds, measurements),
        *_gpu_findings(speeds, measurements[GPU]),
    ]
    return Answer(
        sentence=_sentence(speeds, devices, measurements),
        findings=findings,
        certainty=_certainty(speeds, devices),
        caveats=_caveats(measurements),
        header=("device", "type", "size", "divisible by", "GFLOP/s", "to power", "repeats"),
        rows=_rows(speeds),
    )


def size_figure(measurements: Measurements) -> go.Figure:
    """GFLOP/s by the distance to a power of two, a line for each device, type and power."""
    speeds = _speeds(measurements)
    groups: defaultdict[str, list[tuple[object, Level[Any]]]] = defaultdict(list)
    for product, level in _in_order(speeds):
        power = _power(product.size)
        groups[f"{product.device}, {DTYPES[product.dtype]}, around {power:,}"].append((product.size - power, level))
    offsets = tuple(sorted({int(str(offset)) for items in groups.values() for offset, _ in items}))
    lines = [LevelLine(name, items) for name, items in groups.items()]
    has_types = len({(product.device, product.dtype) for product in speeds}) > 1
    title, x = "Speed of the product around powers of two", Axis("size, less the power of two", choices=offsets)
    return levels_figure(measurements[PRODUCTS].sweep, title, x, lines, log_y=has_types)


def close_figure(measurements: Measurements) -> go.Figure:
    """The same around 1024, each size by name: aligned and misaligned side by side."""
    speeds = _speeds(measurements)
    by_type: defaultdict[str, list[tuple[object, Level[Any]]]] = defaultdict(list)
    sizes = sorted({p.size for p in speeds if _power(p.size) == _reference(speeds, p.device)})
    for product, level in sorted(speeds.items()):
        if product.size in sizes and product.dtype == "float32":
            aligned = "divisible by 8" if product.size % ALIGNMENT == 0 else "not divisible by 8"
            by_type[f"{product.device}, {aligned}"].append((product.size, level))
    lines = [LevelLine(name, items) for name, items in by_type.items()]
    x = Axis("size", choices=tuple(sizes))
    return levels_figure(measurements[PRODUCTS].sweep, "Speed of the product around 1024", x, lines)


# ---- what was timed


def _speeds(measurements: Measurements) -> Speeds:
    trials = [trial for name in (PRODUCTS, NARROW, GPU) for trial in measurements[name].trials]
    speeds = Speeds({product: level for product, level in levels(trials, _product).items() if level.n})
    speeds.disturbed = disturbed_settings(trials, _product)
    return speeds


def _in_order(speeds: Speeds) -> list[tuple[Product, Level[Product]]]:
    """By device, type and size, float32 first."""
    types = list(DTYPES)
    return sorted(speeds.items(), key=lambda item: (item[0].device, types.index(item[0].dtype), item[0].size))


def _product(trial: TrialRow) -> Product:
    params = TASKS["time_matmul"].complete(trial.params)
    return Product(str(params["device"]), str(params["dtype"]), int(params["size"]))


def _power(size: int) -> int:
    """The power of two that is nearest by its ratio."""
    return 1 << round(math.log2(size))


def _reference(speeds: Speeds, device: str, dtype: str = "float32") -> int:
    """The book's 1024, else the largest power of two that was timed; 0 where none was."""
    powers = [p.size for p in speeds if (p.device, p.dtype) == (device, dtype) and _power(p.size) == p.size]
    return 1024 if 1024 in powers else max(powers, default=0)


def _blocks(speeds: Speeds, device: str) -> dict[int, list[int]]:
    """The sizes of float32 around each power of two."""
    blocks: defaultdict[int, list[int]] = defaultdict(list)
    for product in sorted(speeds):
        if (product.device, product.dtype) == (device, "float32"):
            blocks[_power(product.size)].append(product.size)
    return blocks


def alignment_ratio(speeds: Speeds, device: str) -> tuple[Ratio, int, int] | None:
    """How fast misaligned sizes are beside aligned ones, each beside the mean of its power; and how many of both."""
    groups: dict[bool, list[float]] = {True: [], False: []}
    for sizes in _blocks(speeds, device).values():
        logs = {size: fmean(map(math.log, speeds[Product(device, "float32", size)].values.values())) for size in sizes}
        aligned = [value for size, value in logs.items() if size % ALIGNMENT == 0]
        if not aligned or len(aligned) == len(logs):
            continue
        for size, value in logs.items():
            groups[size % ALIGNMENT == 0].append(math.exp(value - fmean(aligned)))
    compared = ratio_of(groups[False], groups[True])
    return None if compared is None else (compared, len(groups[False]), len(groups[True]))


# ---- words


def _sentence(speeds: Speeds, devices: Sequence[str], measurements: Measurements) -> str:
    texts = []
    for device in devices:
        value = alignment_ratio(speeds, device)
        if value is not None:
            texts.append(
                f"On {DEVICES[device]}, matrices whose size is not divisible by {ALIGNMENT} are multiplied at "
                f"{times(value[0], 'size')} the speed of aligned ones: {ratio_verdict(value[0], 'size')}."
            )
    if "gpu" not in devices:
        texts.append(_no_gpu(measurements[GPU]))
    return " ".join(texts)


def _no_gpu(data: SweepData) -> str:
    reason = failures_text(data.trials)
    return f"A GPU was not measured: {reason}" if reason else "A GPU has not been measured yet."


def _size_findings(speeds: Speeds, device: str) -> list[Finding]:
    """What one more row and column costs, and two, four and eight; and the speed of the power of two."""
    power = _reference(speeds, device)
    if not power:
        return []
    base = speeds[Product(device, "float32", power)]
    text = (
        f"On {DEVICES[device]}, a float32 product of size {power:,} runs at {spread(base, GFLOPS)}, "
        f"{plural(base.n, 'repeat')}."
    )
    settings: dict[str, object] = {"device": device, "size": power}
    speed = Finding(f"speed_{device}", text, base.mean, base.interval, base.n, "GFLOP/s", settings)
    findings = []
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


def _dtype_findings(speeds: Speeds, measurements: Measurements) -> list[Finding]:
    """What fewer bits bring on each device, or why that is not known."""
    findings = []
    for device, dtype in (("cpu", "bfloat16"), ("gpu", "tf32"), ("gpu", "bfloat16")):
        power = _reference(speeds, device, dtype)
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
        elif device == "cpu" and (reason := failures_text(measurements[NARROW].trials)):
            findings.append(
                Finding("bfloat16_cpu", f"bfloat16 was not measured on the processor: {reason}", unit="times")
            )
    return findings


def _gpu_findings(speeds: Speeds, data: SweepData) -> list[Finding]:
    """How many times as fast the GPU is, or that nobody knows."""
    power = _reference(speeds, "cpu")
    value = speeds.ratio(Product("gpu", "float32", power), Product("cpu", "float32", power))
    if value is None:
        return [Finding("gpu_to_cpu", _no_gpu(data), unit="times")]
    text = f"At size {power:,} the GPU has {times(value)} the speed of the processor, {ratio_verdict(value)}."
    return [Finding("gpu_to_cpu", text, value.estimate, value.interval, value.n, "times", {"size": power})]


def _certainty(speeds: Speeds, devices: Sequence[str]) -> str:
    texts = []
    for device in devices:
        value = alignment_ratio(speeds, device)
        if value is not None:
            _, misaligned, aligned = value
            powers = len(_blocks(speeds, device))
            texts.append(
                f"The comparison on {DEVICES[device]} rests on {plural(aligned, 'aligned size')} and "
                f"{plural(misaligned, 'misaligned size')} around {plural(powers, 'power')} of two, each beside the "
                "mean of the aligned ones there."
            )
    return " ".join(texts) or "No power of two was timed with its neighbours."


def _caveats(measurements: Measurements) -> list[str]:
    trials = [trial for data in measurements.values() for trial in data.trials]
    return [
        "A product of size n counts as 2 n³ operations. Each repeat multiplies for at least a tenth of a second, after "
        "a warm-up, into memory that is there already.",
        "Sizes around one power of two are beside the same mean of its aligned ones and share its error, so the "
        "interval over sizes is a little too narrow.",
        *circumstances_caveats(trials),
        "Another library, or another number of threads, may treat sizes otherwise: this is about the one that torch "
        "uses here. Each interval has 95 % confidence by itself.",
    ]


def _rows(speeds: Speeds) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for product, level in _in_order(speeds):
        value = speeds.ratio(product, product._replace(size=_power(product.size)))
        rows.append(
            (
                product.device,
                product.dtype,
                f"{product.size:,}",
                str(math.gcd(product.size, 1 << 16)),
                score(level.mean, level.std, GFLOPS).removesuffix(" GFLOP/s"),
                f"{value.estimate:.3f}" if value else "",
                runs_of(level),
            )
        )
    return rows


MATRIX_PRODUCTS = Exercise(
    number=7,
    title="Matrix products and the memory's bus",
    question="How fast is the product of matrices whose sizes are aligned or misaligned (1024, 1025, 1026, 1028, "
    "1032), on a processor and on a GPU, and how wide is the memory's bus?",
    parts=("Speed by size", "Processor against GPU", "Width of the memory's bus"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("near", "Speed around 1024", close_figure),
        ExerciseChart("size", "Speed by size", size_figure),
    ),
    answer=answer,
    optional=(NARROW, GPU, GPU_MEMORY),
    subset="27 sizes around 512, 1,024 and 2,048, 5 repeats",
    whole="46 sizes around 256 to 2,048, memory also by one thread, 9 repeats",
)
