"""The bus of the memory, for exercise 7: its bandwidth as measured, its width as read or else derived."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.charts.rows import TrialRow
from app.domain.formatting import plural
from app.domain.tasks import TASKS
from app.exercises.answers.circumstances import disturbed_settings, failures_text
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import Level, best_level, levels
from app.exercises.answers.wording import spread
from app.exercises.exercise import SweepData

BANDWIDTH = "gigabytes_per_second"
USUAL_MEGATRANSFERS = 3_200  # a second, of DDR4-3200, the assumption of what is derived
CHANNEL_BITS = 64


class Pass(NamedTuple):
    """What was timed."""

    operation: str
    threads: int


def bus_findings(processor: SweepData, gpu: SweepData) -> list[Finding]:
    """Bandwidth and width of the processor's memory and of the GPU's, each as far as it is known."""
    return [*_processor_findings(processor), *_gpu_findings(gpu)]


def bus_sentences(processor: SweepData, gpu: SweepData) -> list[str]:
    """The same in a sentence a device: `The processor's memory moves 28.53 ± 0.43 GB/s in the fastest of ...`."""
    sentences = []
    for owner, data in (("processor", processor), ("GPU", gpu)):
        best = best_level(_passes(data))
        if best is not None:
            width_text = _width_text(_facts(data, best))
            beside = ", beside other programs" if _is_disturbed(data, best) else ""
            sentences.append(
                f"The {owner}'s memory moves {spread(best, BANDWIDTH)} in the fastest operation timed (mean ± standard "
                f"deviation of {plural(best.n, 'repeat')}{beside}); {width_text}."
            )
    return sentences


def _is_disturbed(data: SweepData, best: Level[Pass]) -> bool:
    """Whether other programs took so much of the processor that the memory may be faster."""
    return best.setting in disturbed_settings(data.trials, _pass)


def _width_text(facts: Mapping[str, Any]) -> str:
    """What the driver says of the bus, or the board's tables of all modules together."""
    if facts.get("memory_bus_bits"):
        return f"by its driver its bus is {facts['memory_bus_bits']:,} bits wide"
    bits = sum(module["width_bits"] for module in facts.get("memory_modules") or ())
    return f"its modules are {bits} bits wide together" if bits else "how wide its bus is can't be read here"


def _passes(data: SweepData) -> dict[Pass, Level[Pass]]:
    return {key: level for key, level in levels(data.trials, _pass).items() if level.n}


def _pass(trial: TrialRow) -> Pass:
    params = TASKS["time_memory"].complete(trial.params)
    return Pass(str(params["operation"]), int(params["threads"]))


def _processor_findings(data: SweepData) -> list[Finding]:
    best = best_level(_passes(data))
    if best is None:
        reason = failures_text(data.trials)
        return [Finding("bandwidth_cpu", f"The memory was not measured: {reason}", unit="GB/s")] if reason else []
    facts = _facts(data, best)
    return [_bandwidth("cpu", "The processor's memory", data, best), *_width(best, facts)]


def _gpu_findings(data: SweepData) -> list[Finding]:
    best = best_level(_passes(data))
    if best is None:
        return []
    findings = [_bandwidth("gpu", "The GPU's memory", data, best)]
    bits = _facts(data, best).get("memory_bus_bits")
    if bits:
        text = f"The GPU's driver says that its memory bus is {bits} bits wide."
        findings.append(Finding("bus_bits_gpu", text, float(bits), unit="bits"))
    else:
        findings.append(Finding("bus_bits_gpu", "The GPU's driver does not say how wide its bus is.", unit="bits"))
    return findings


def _bandwidth(device: str, subject: str, data: SweepData, best: Level[Pass]) -> Finding:
    """The operation that is fastest, with the arrays that it moved."""
    disturbed_text = " Other programs had much of the processor meanwhile." if _is_disturbed(data, best) else ""
    operations = [
        f"{key.operation} {spread(level, BANDWIDTH)}"
        for key, level in _passes(data).items()
        if key.threads == best.setting.threads
    ]
    text = (
        f"{subject} moves {spread(best, BANDWIDTH)} by {best.setting.operation}, the fastest operation, "
        f"{plural(best.n, 'repeat')}{_arrays(_facts(data, best))}: {', '.join(operations)}.{disturbed_text}"
    )
    settings = {"operation": best.setting.operation, "threads": best.setting.threads}
    return Finding(f"bandwidth_{device}", text, best.mean, best.interval, best.n, "GB/s", settings)


def _arrays(facts: Mapping[str, Any]) -> str:
    array, cache = facts.get("array_bytes"), facts.get("cache_bytes")
    text = f", on {plural(facts['threads'], 'thread')}" if facts.get("threads") else ""
    if not array:
        return text
    text += f", with arrays of {array / 2**20:,.0f} MiB"
    return f"{text}, {array / cache:.1f} times the last cache that the system reports" if cache else text


def _width(best: Level[Pass], facts: Mapping[str, Any]) -> list[Finding]:
    """The width of the processor's bus by the board's tables, else the least that the bandwidth allows."""
    modules = facts.get("memory_modules")
    if modules:
        widths = [module["width_bits"] for module in modules]
        width_text = " or ".join(map(str, sorted(set(widths))))
        text = (
            f"The board's tables name {plural(len(modules), 'module')} of memory of {width_text} bits each, "
            f"{sum(widths)} together: the bus is as wide where each has a channel of its own, which they do not say."
        )
        return [Finding("bus_bits_cpu", text, float(sum(widths)), unit="bits")]
    bits = best.mean * 8_000 / USUAL_MEGATRANSFERS
    interval = (
        None if best.interval is None else (bits * best.interval[0] / best.mean, bits * best.interval[1] / best.mean)
    )
    channels = math.ceil(bits / CHANNEL_BITS)
    text = (
        "How wide the processor's bus is can't be known here: the board's tables, which may say it, are closed or "
        "empty. A least width follows from the bandwidth above only for memory of an assumed kind, as that can't be "
        f"read either: were it DDR4-3200, with {USUAL_MEGATRANSFERS:,} million transfers a second, at least "
        f"{math.ceil(bits)} bits, so at least {plural(channels, 'channel')} of {CHANNEL_BITS}; were it twice as fast, "
        "half of that. The bus may be much wider, for what the cores can't use does not show."
    )
    return [Finding("bus_bits_cpu_derived", text, bits, interval, best.n, "bits at least, were it DDR4-3200")]


def _facts(data: SweepData, best: Level[Pass]) -> Mapping[str, Any]:
    """What the trial of this level was measured under."""
    trials = [trial for trial in data.trials if trial.circumstances and _pass(trial) == best.setting]
    return (trials[0].circumstances or {}) if trials else {}
