"""Sentences about what timings were measured under: where, beside what, and what could not be measured at all."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from app.charts.rows import TrialRow
from app.domain.formatting import plural

LEAST_SHARE = 0.9  # of its processor that a trial has to have, so that one can be compared with another
MOST_OTHERS = 0.1  # of the machine's processors that others may have meanwhile: they share caches, and often a core

K = TypeVar("K", bound=Hashable)


def circumstances_caveats(trials: Sequence[TrialRow]) -> list[str]:
    """On which machines and threads it was timed, and what else these were doing; empty where nothing was."""
    timed = [trial for trial in trials if trial.circumstances]
    if not timed:
        return []
    places = dict.fromkeys(filter(None, map(_place, timed)))
    texts = [f"Measured on {' and '.join(places)}."]
    loads = [load for trial in timed for load in _first(trial, "load_before")]
    shares = [float(share) for trial in timed if (share := (trial.circumstances or {}).get("processor_share"))]
    if shares:
        share_text = _percent_range([min(1.0, share) for share in shares])
        others_shares = [share for trial in timed if (share := _others_share(trial)) is not None]
        crowded_count = sum(map(_is_disturbed, timed))
        crowded_text = f" In {crowded_count} of {plural(len(shares), 'trial')} others had more than a tenth."
        texts.append(
            f"While it timed, the processor worked for it in {share_text} of the time"
            f"{'' if share_text == '100 %' else ': the rest others had'}."
            f"{_others_text(others_shares)}{crowded_text if crowded_count else ''}"
        )
    accompanied_count = sum(not (trial.circumstances or {}).get("alone") for trial in timed)
    if loads:
        texts.append(
            f"The machine's load average before the trials was {_range([f'{load:.1f}' for load in sorted(loads)])}: "
            "what other programs do shows in the spread, and, where it lasts, in the values."
        )
    if accompanied_count:
        was = "were" if accompanied_count > 1 else "was"
        texts.append(f"{plural(accompanied_count, 'trial')} {was} perhaps timed beside others of this service.")
    return [" ".join(texts)]


def _place(trial: TrialRow) -> str:
    facts = trial.circumstances or {}
    if facts.get("device") != "cpu":
        return f"a {facts.get('device')}"
    threads = facts.get("threads")
    return f"a processor ({facts.get('processor')}) with {plural(int(str(threads)), 'thread')}"


def _first(trial: TrialRow, name: str) -> list[float]:
    values = (trial.circumstances or {}).get(name)
    return [float(values[0])] if values else []


def disturbed_settings(trials: Sequence[TrialRow], setting: Callable[[TrialRow], K]) -> set[K]:
    """The settings of trials that others left too little of the machine: their repeats share a disturbance."""
    return {setting(trial) for trial in trials if _is_disturbed(trial)}


def _is_disturbed(trial: TrialRow) -> bool:
    share, others_share = (trial.circumstances or {}).get("processor_share"), _others_share(trial)
    return (share is not None and share < LEAST_SHARE) or (others_share is not None and others_share > MOST_OTHERS)


def _others_share(trial: TrialRow) -> float | None:
    """None on a GPU, which the processor's other programs leave alone, and of trials that did not record it."""
    facts = trial.circumstances or {}
    share = facts.get("others_share")
    return float(share) if share is not None and facts.get("device") == "cpu" else None


def _others_text(shares: Sequence[float]) -> str:
    """` Of all the machine's processors others had 1 to 4 %.`"""
    return f" Of all the machine's processors others had {_percent_range(shares)}." if shares else ""


def _percent_range(shares: Sequence[float]) -> str:
    """`63 to 100 %`, or `100 %` where all are alike."""
    return f"{_range([f'{100 * share:.0f}' for share in sorted(shares)])} %"


def _range(ordered_texts: Sequence[str]) -> str:
    """From the first to the last, once where they are alike."""
    return " to ".join(dict.fromkeys((ordered_texts[0], ordered_texts[-1])))


def failures_text(trials: Sequence[TrialRow]) -> str:
    """Why trials failed, each reason once: `there is no GPU that this worker may use.`; empty where none did."""
    reasons = dict.fromkeys(trial.error for trial in trials if trial.state == "failed")
    return "; ".join(reason.rstrip(".") for reason in reasons if reason) + "." if any(reasons) else ""
