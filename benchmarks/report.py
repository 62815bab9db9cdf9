"""What was measured, as tables for docs/performance.md."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.compare import Comparison

ARMS = {
    "loader": "a, the book's DataLoader: each image through PIL",
    "lean loader": "a leaner DataLoader: each image from an array",
    "eager": "b, eager, one process a core with one thread",
    "eager two threads": "c, eager, one process with two threads",
    "fused": "d, fused, one process a core with one thread",
    "sgemm": "the matrix products of d alone",
}
TARGETS: dict[str, dict[str, float]] = {
    "d / a, times as fast, at least": {"W1": 5, "W2": 50, "W3": 5, "W4": 15},
    "d / b, times as fast, at least": {"W1": 1.3, "W2": 4, "W3": 1.3, "W4": 2, "W5": 3},
    "d, share of sgemm, at least": {"W1": 0.75, "W2": 0.7, "W3": 0.8, "W4": 0.5},
    "e / d, time, at most": {"W1": 1.1, "W2": 1.1, "W3": 1.1, "W4": 1.1},
}
PEAK_TARGET = 1.5e9  # bytes
MEASURED_PART = "measured part"  # of docs/performance.md


@dataclass
class Report:
    """A run of the benchmark. `peaks` are bytes by what had them."""

    command: str
    examples: int
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: all that was measured, and what follows from it."""
        return asdict(self) | {"figures": {name: figures(comparison) for name, comparison in self.comparisons.items()}}

    def markdown(self) -> str:
        """All tables."""
        parts = [
            table(["", ""], list(self.facts.items())),
            f"Seconds for {self.examples:,} training examples of each run and a validation, medians:",
            self._times(),
            self._figures(),
            "Seconds for the whole sweep on all the data, medians:",
            self._service(),
            "The most memory that a process had:",
            self._memory(),
        ]
        return "\n\n".join(parts)

    def _times(self) -> str:
        rows = [
            [words, *[f"{median(comparison.seconds[arm]):.2f}" for comparison in self.comparisons.values()]]
            for arm, words in ARMS.items()
        ]
        gflops = {
            "GFLOP/s of d": [
                comparison.flops / median(comparison.seconds["fused"]) / 1e9 for comparison in self.comparisons.values()
            ],
            "GFLOP/s of sgemm": [
                comparison.flops / median(comparison.seconds["sgemm"]) / 1e9 for comparison in self.comparisons.values()
            ],
        }
        rows += [[words, *[f"{value:.0f}" for value in values]] for words, values in gflops.items()]
        for letter, arm in (("a", "loader"), ("b", "eager")):
            bounds = [f"{comparison.ratio(arm, 'sgemm'):.3g}" for comparison in self.comparisons.values()]
            rows.append([f"d / {letter}, were d nothing but its products", *bounds])
        rows.append(
            [
                "d / the leaner DataLoader",
                *[f"{f.ratio('lean loader', 'fused'):.3g}" for f in self.comparisons.values()],
            ]
        )
        for words, cells in {
            "validation losses of b and d differ by": [
                f"{comparison.difference:.0e}" for comparison in self.comparisons.values()
            ],
            "share of its time that d had a core": [
                f"{comparison.calm:.0%}" for comparison in self.comparisons.values()
            ],
        }.items():
            rows.append([words, *cells])
        return table(["", *self.comparisons], rows)

    def _figures(self) -> str:
        rows = []
        for name, comparison in self.comparisons.items():
            for figure, measured in figures(comparison).items():
                target = TARGETS[figure].get(name)
                rows.append([name, figure, *judged(measured, target, most=figure.endswith("most"))])
        return table(["", "figure", "target", "measured", "met"], rows)

    def _service(self) -> str:
        rows = [
            [words, *[f"{median(getattr(comparison, name)):.1f}" for comparison in self.comparisons.values()]]
            for name, words in {"whole": "d", "service": "e, through the service"}.items()
        ]
        return table(["", *self.comparisons], rows)

    def _memory(self) -> str:
        rows = [
            [name, *judged(peak / 1e9, PEAK_TARGET / 1e9, most=True, unit=" GB")] for name, peak in self.peaks.items()
        ]
        return table(["", "target", "measured", "met"], rows)


def figures(comparison: Comparison) -> dict[str, float]:
    """The figures that have targets, in their order."""
    ratios = comparison.ratio("loader", "fused"), comparison.ratio("eager", "fused"), comparison.ratio("sgemm", "fused")
    return dict(zip(TARGETS, (*ratios, comparison.overhead()), strict=True))


def judged(measured: float, target: float | None, *, most: bool, unit: str = "") -> list[str]:
    """Target, measured and whether it is met, as cells; a target says the most or the least."""
    if target is None:
        return ["", f"{measured:.3g}{unit}", ""]
    met = measured <= target if most else measured >= target
    return [f"{target:g}{unit}", f"{measured:.3g}{unit}", "yes" if met else "**no**"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(device: str = "cpu") -> dict[str, str]:
    """What a figure depends on: machine, versions, date, load."""
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    version = re.search(r"(Math Kernel Library Version [\d.]+|OpenBLAS [\d.]+)", torch.__config__.show())
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "torch": f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}",
        "BLAS": f"{blas.group(1) if blas else 'unknown'}, {version.group(1) if version else ''}",
    }
    if device.startswith("cuda"):
        facts["GPU"] = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    return facts


def _processor() -> str:
    names = []
    if Path("/proc/cpuinfo").exists():
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def marks(part: str) -> tuple[str, str]:
    """What stands before and after a part of a page that a benchmark writes."""
    return f"<!-- begin of the {part} -->", f"<!-- end of the {part} -->"


def write_into(page: Path, text: str, part: str = MEASURED_PART) -> None:
    """Replaces what stands between the two marks of this part. Raises ValueError where they are missing."""
    begin, end = marks(part)
    before, found_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{page} has no {part}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
