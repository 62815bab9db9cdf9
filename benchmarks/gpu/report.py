"""What was measured on a GPU, as tables for docs/performance.md."""

import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import torch

from benchmarks.gpu.comparison import Comparison
from worker.device.devices import device_name

EPOCHS = 10  # of a trial, where trials an hour are counted
LARGE = "one large product"
GOALS = {
    ("G256", "eager"): 50.0,
    ("G32", "eager"): 50.0,
    ("G256", "eager + CUDA graph"): 8.0,
    ("G32", "eager + CUDA graph"): 20.0,
    ("G256", LARGE): 0.6,
}


def machine(device: torch.device) -> dict[str, str]:
    """What was measured on."""
    query = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        driver, memory = told.split("\n")[0].split(", ")
    except (OSError, subprocess.CalledProcessError, ValueError):
        driver, memory = "not told by nvidia-smi", "not told by nvidia-smi"
    return {
        "card": device_name(device),
        "memory": memory,
        "driver": driver,
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "python": platform.python_version(),
    }


def facts_table(facts: Mapping[str, str]) -> str:
    """Facts, one a line."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {words} |" for name, words in facts.items())])


def markdown(comparisons: Sequence[Comparison], kind: str) -> str:
    """A table a workload, and of exact products the goals."""
    parts = [text for comparison in comparisons for text in (_title(comparison, kind), table(comparison))]
    goals = list(_goal_lines(comparisons)) if kind == "float32" else []
    if goals:
        parts += ["Goals:", "\n".join(["| goal | at least | measured | |", "|---|---|---|---|", *goals])]
    return "\n\n".join(parts)


def table(comparison: Comparison) -> str:
    """All arms on one workload, and the share of what the card multiplies at most."""
    trials = len(comparison.workload.runs()) / comparison.workload.seeds
    lines = [
        f"| arm | seconds an epoch of all runs | trials of {EPOCHS} epochs an hour | times the fused | MB of card |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in comparison.seconds.items():
        if name != "cuBLAS":
            middle = median(seconds)
            times = f"{comparison.ratio(name):.3g}" if "fused" in comparison.seconds else "–"
            per_hour = trials * 3600 / (EPOCHS * middle)
            lines.append(f"| {name} | {middle:.3g} | {per_hour:,.0f} | {times} | {_megabytes(comparison, name)} |")
    lines += [f"| {name} | failed: {reason} | | | |" for name, reason in comparison.failures.items()]
    return "\n".join([*lines, "", _share(comparison)])


def _title(comparison: Comparison, kind: str) -> str:
    return f"**{comparison.workload.name}**, {comparison.workload.title}, {kind} products:"


def _megabytes(comparison: Comparison, arm: str) -> str:
    size = comparison.card_bytes.get(arm)
    return "–" if size is None else f"{size / 1e6:,.0f}"


def _share(comparison: Comparison) -> str:
    if not {"fused", "cuBLAS"} <= comparison.seconds.keys():
        return "The share of cuBLAS was not measured."
    fused, products = (comparison.flops_of(arm) for arm in ("fused", "cuBLAS"))
    return (
        f"{comparison.large_flops / 1e12:.3g} TFLOP/s in one large product of as many operations as a step, "
        f"{products / 1e12:.3g} in its own products alone, {fused / 1e12:.3g} in training: "
        f"{fused / comparison.large_flops:.0%} of the large one, {fused / products:.0%} of its own"
    )


def _goal_lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    by_name = {comparison.workload.name: comparison for comparison in comparisons}
    for (name, arm), least in GOALS.items():
        comparison = by_name.get(name)
        if comparison is None:
            continue
        if not {"fused", "cuBLAS" if arm == LARGE else arm} <= comparison.seconds.keys():
            yield f"| {name}: fused / {arm} | {least:g} | not measured | |"
            continue
        figure = comparison.flops_of("fused") / comparison.large_flops if arm == LARGE else comparison.ratio(arm)
        words = "met" if figure >= least else f"missed by {1 - figure / least:.0%}"
        yield f"| {name}: fused / {arm} | {least:g} | {figure:.3g} | {words} |"
