"""The products that were timed, and how many times as fast one is as another."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

from app.charts.rows import TrialRow
from app.domain.tasks import TASKS
from app.exercises.answers.circumstances import disturbed_settings
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.ratios import Ratio, ratio, ratio_of
from app.exercises.exercise import Measurements

PRODUCTS, NARROW, GPU, MEMORY, GPU_MEMORY = "products", "bfloat16", "gpu", "memory", "gpu_memory"  # the sweeps
ALIGNMENT = 8  # numbers: 32 bytes of float32
DTYPES = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16"}
FEW = 0.1  # of the sizes: where others disturbed more, sizes timed one after the other share a disturbance
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

    def pooled_ratio(self, first: Sequence[Product], second: Sequence[Product]) -> Ratio | None:
        """The same of the repeats of several products taken together."""
        if not self.keys() >= {*first, *second}:
            return None
        values = [[value for product in group for value in self[product].values.values()] for group in (first, second)]
        pooled = ratio_of(*values)
        return pooled and replace(pooled, disturbed=not self.disturbed.isdisjoint({*first, *second}))


def read_speeds(measurements: Measurements) -> Speeds:
    trials = [trial for name in (PRODUCTS, NARROW, GPU) for trial in measurements[name].trials]
    speeds = Speeds({product: level for product, level in levels(trials, _product).items() if level.n})
    speeds.disturbed = disturbed_settings(trials, _product)
    return speeds


def in_order(speeds: Speeds) -> list[tuple[Product, Level[Product]]]:
    """By device, type and size, float32 first."""
    types = list(DTYPES)
    return sorted(speeds.items(), key=lambda item: (item[0].device, types.index(item[0].dtype), item[0].size))


def _product(trial: TrialRow) -> Product:
    params = TASKS["time_matmul"].complete(trial.params)
    return Product(str(params["device"]), str(params["dtype"]), int(params["size"]))


def nearest_power(size: int) -> int:
    """The power of two that is nearest by its ratio."""
    return 1 << round(math.log2(size))


def reference_size(speeds: Speeds, device: str, dtype: str = "float32") -> int:
    """The book's 1024, else the largest power of two that was timed; 0 where none was."""
    powers = [p.size for p in speeds if (p.device, p.dtype) == (device, dtype) and nearest_power(p.size) == p.size]
    return 1024 if 1024 in powers else max(powers, default=0)


def sizes_by_power(speeds: Speeds, device: str) -> dict[int, list[int]]:
    """The sizes of float32 around each power of two."""
    blocks: defaultdict[int, list[int]] = defaultdict(list)
    for product in sorted(speeds):
        if (product.device, product.dtype) == (device, "float32"):
            blocks[nearest_power(product.size)].append(product.size)
    return blocks


def extremes(speeds: Speeds, device: str) -> dict[bool, tuple[tuple[float, int], tuple[float, int]]]:
    """Of misaligned and of aligned sizes, the slowest and the fastest beside the nearest power of two: times, size.

    Those that others disturbed are left out.
    """
    groups: defaultdict[bool, list[tuple[float, int]]] = defaultdict(list)
    for power, sizes in sizes_by_power(speeds, device).items():
        for size in sizes:
            value = speeds.ratio(Product(device, "float32", size), Product(device, "float32", power))
            if value is not None and size != power and not value.disturbed:
                groups[size % ALIGNMENT == 0].append((value.estimate, size))
    return {is_aligned: (min(values), max(values)) for is_aligned, values in groups.items()}


class Alignment(NamedTuple):
    """How fast misaligned sizes are beside aligned ones."""

    ratio: Ratio
    misaligned: int  # sizes
    aligned: int
    disturbed: int  # by others, of all sizes
    left_out: int  # of these: all, where they are few
    by_power: Mapping[int, float]  # the same around each power of two


def alignment(speeds: Speeds, device: str) -> Alignment | None:
    """Each size beside the mean of the aligned ones around its power of two; None where there is nothing to compare.

    The few that others disturbed are left out; where they are not few, all are there and the ratio is disturbed.
    """
    blocks = {
        power: [Product(device, "float32", size) for size in sizes]
        for power, sizes in sizes_by_power(speeds, device).items()
    }
    count = sum(map(len, blocks.values()))
    disturbed_count = sum(product in speeds.disturbed for products in blocks.values() for product in products)
    is_disturbed = disturbed_count > FEW * count
    groups: dict[bool, list[float]] = {True: [], False: []}
    by_power: dict[int, float] = {}
    for power, products in blocks.items():
        counted_products = [product for product in products if is_disturbed or product not in speeds.disturbed]
        logs = {product: fmean(map(math.log, speeds[product].values.values())) for product in counted_products}
        aligned = [value for product, value in logs.items() if product.size % ALIGNMENT == 0]
        misaligned = [value for product, value in logs.items() if product.size % ALIGNMENT]
        if not aligned or not misaligned:
            continue
        by_power[power] = math.exp(fmean(misaligned) - fmean(aligned))
        groups[True] += [math.exp(value - fmean(aligned)) for value in aligned]
        groups[False] += [math.exp(value - fmean(aligned)) for value in misaligned]
    compared = ratio_of(groups[False], groups[True])
    if compared is None:
        return None
    left_out = 0 if is_disturbed else disturbed_count
    compared = replace(compared, disturbed=is_disturbed)
    return Alignment(compared, len(groups[False]), len(groups[True]), disturbed_count, left_out, by_power)
