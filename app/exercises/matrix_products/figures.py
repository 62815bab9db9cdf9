"""The table of products, and the figures of their speeds."""

import math
from collections import defaultdict
from typing import Any

import plotly.graph_objects as go

from app.charts.rows import Axis
from app.domain.formatting import score
from app.exercises.answers.levels import Level
from app.exercises.answers.ratios import Ratio
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements
from app.exercises.figures import CONFIDENCE_NOTE, LevelLine, RatioLine, levels_figure, ratios_figure
from app.exercises.matrix_products.findings import GFLOPS
from app.exercises.matrix_products.speeds import (
    ALIGNMENT,
    DTYPES,
    PRODUCTS,
    Speeds,
    in_order,
    nearest_power,
    read_speeds,
    reference_size,
)


def size_figure(measurements: Measurements) -> go.Figure:
    """Speed beside that of the power of two by the distance to it, a line for each device, type and power."""
    speeds = read_speeds(measurements)
    groups: defaultdict[str, list[tuple[object, Ratio]]] = defaultdict(list)
    has_devices = len({product.device for product in speeds}) > 1
    for product in (product for product, _ in in_order(speeds)):
        power = nearest_power(product.size)
        value = speeds.ratio(product, product._replace(size=power))
        if value is not None:
            kinds = [product.device] * has_devices + [DTYPES[product.dtype]] * (product.dtype != "float32")
            groups[", ".join([*kinds, f"around {power:,}"])].append((product.size - power, value))
    offsets = tuple(sorted({int(str(offset)) for items in groups.values() for offset, _ in items}))
    lines = [RatioLine(name, items) for name, items in groups.items()]
    notes = ("1: the power of two; float32 where not named", CONFIDENCE_NOTE)
    title, x = "Speed around powers of two", Axis("size, less the power of two", choices=offsets)
    figure = ratios_figure(measurements[PRODUCTS].sweep, title, x, lines, *notes, y_title="Relative speed")
    return figure.update_xaxes(tickvals=None, ticktext=None, tick0=0, dtick=ALIGNMENT)


def close_figure(measurements: Measurements) -> go.Figure:
    """The same around 1024, each size by name: aligned and misaligned side by side."""
    speeds = read_speeds(measurements)
    by_type: defaultdict[str, list[tuple[object, Level[Any]]]] = defaultdict(list)
    sizes = sorted({p.size for p in speeds if nearest_power(p.size) == reference_size(speeds, p.device)})
    for product, level in sorted(speeds.items()):
        if product.size in sizes and product.dtype == "float32":
            aligned = "divisible by 8" if product.size % ALIGNMENT == 0 else "not divisible by 8"
            by_type[f"{product.device}, {aligned}"].append((product.size, level))
    lines = [LevelLine(name, items) for name, items in by_type.items()]
    x = Axis("rows and columns of each matrix", choices=tuple(sizes))
    figure = levels_figure(measurements[PRODUCTS].sweep, "Speed around 1024", x, lines)
    return figure.update_xaxes(tickvals=None, ticktext=None, tick0=0, dtick=ALIGNMENT)  # the aligned sizes are named


def table_rows(speeds: Speeds) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for product, level in in_order(speeds):
        value = speeds.ratio(product, product._replace(size=nearest_power(product.size)))
        rows.append(
            (
                product.device,
                product.dtype,
                f"{product.size:,}",
                f"{math.gcd(product.size, 1 << 16):,}",
                score(level.mean, level.std, GFLOPS).removesuffix(" GFLOP/s"),
                f"{value.estimate:.3f}" if value else "",
                runs_of(level),
            )
        )
    return rows
