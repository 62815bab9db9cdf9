"""What the dashboard calls its buttons, choices and pages, each said once."""

from dataclasses import dataclass

from app.domain.formatting import duration, plural
from app.schemas import Circumstances


@dataclass(frozen=True)
class Button:
    """A button that posts a call, with what it does as its title."""

    call: str
    """The last part of the path that it posts to."""
    label: str
    title: str


@dataclass(frozen=True)
class Option:
    """A value that a field of a form can have, and what stands for it in the list."""

    value: str
    label: str
    tasks: str = ""
    """The tasks that have it, with spaces between them; nothing where all have."""
    target: str = ""
    """Of a data set, the kind of its target; of a metric, the kind that it is measured of, nothing where of all."""


def by_call(*buttons: Button) -> dict[str, Button]:
    """The buttons by the call that they post."""
    return {button.call: button for button in buttons}


SWEEP_BUTTONS = by_call(
    Button("pause", "Pause", "No new trials start; running ones finish. Resume goes on"),
    Button("resume", "Resume", "Goes on with the waiting trials"),
    Button("continue", "Continue", "Its cancelled trials wait again, and it goes on"),
    Button("stop", "Stop…", "Running trials finish, waiting ones are dropped"),
    Button("cancel", "Cancel…", "Running trials end too, waiting ones are dropped"),
)

TRIAL_BUTTONS = by_call(
    Button("retry", "Retry", "Train it again, with the same parameters"),
    Button("cancel", "Cancel", "End it; what runs ends at its next epoch. Retry begins it anew"),
    Button("exclude", "Exclude", "Leave it out of the best and of what the sampler learns from; charts show it hollow"),
    Button("include", "Include", "Take it in again"),
)

SPLITS = (
    Option("holdout", "held-out training examples (recommended)"),
    Option("book", "the test examples, as the book does"),
)

SAMPLERS = (
    Option("tpe", "TPE: more where it did well"),
    Option("gp", "Gaussian process: for few trials"),
    Option("cmaes", "CMA-ES: for numbers"),
    Option("nsgaii", "NSGA-II: evolution"),
    Option("qmc", "Sobol sequence: evenly"),
    Option("random", "random"),
    Option("grid", "grid: every combination"),
)

PRUNERS = (
    Option("", "none: every trial to its end"),
    Option("successive_halving", "successive halving: one in four goes on"),
    Option("hyperband", "hyperband: halving in brackets"),
    Option("median", "median of the trials before"),
    Option("percentile", "percentile: the best quarter goes on"),
    Option("patient", "patient: until nothing improves for 3 epochs"),
    Option("wilcoxon", "Wilcoxon: seed by seed against the best"),
    Option('{"name": "one_epoch", "keep": 8}', "one epoch, then the best 8"),
)

# What stands for the rules that stop a sweep, in front of what they measured.
_STOP_RULES = {
    "target": "Stopped by its target",
    "no_improvement": "Stopped for lack of improvement",
    "failures": "Stopped by its failures",
}


def stop_sentence(reason: str | None, seconds: float | None) -> str:
    """Why a sweep has stopped, `Stopped by its time limit (25 min).`, or nothing; `seconds` is that limit."""
    if not reason:
        return ""
    rule, _, words = reason.partition(": ")
    if rule == "seconds":
        limit = f" ({duration(seconds)})" if seconds is not None else ""
        return f"Stopped by its time limit{limit}."
    return f"{_STOP_RULES[rule]}: {words}." if rule in _STOP_RULES else f"No further trials: {reason}."


def ending_sentence(call: str, waiting: int, running: int, undo: str) -> str:
    """What a stop or a cancel does to so many trials; `undo` is the button that takes it back."""
    dropped = (
        f"{plural(waiting, 'waiting trial')} {'is' if waiting == 1 else 'are'} dropped" if waiting else "Nothing waits"
    )
    trials, is_one = plural(running, "running trial"), running == 1
    if call == "stop":
        going_on = f"; {trials} {'finishes' if is_one else 'finish'}" if running else ""
        return f"{dropped}{going_on}. {undo} takes dropped trials up again."
    ends = "ends at its next epoch, and what it has" if is_one else "end at their next epoch, and what they have"
    loss = f"; {trials} {ends} learnt is lost" if running else ""
    return f"{dropped}{loss}. What has finished stays. {undo} takes dropped trials up again, from their beginning."


def circumstances_sentence(facts: Circumstances) -> str:
    """`On an Intel Xeon, 1 thread, with no other trial on its machine, load average 0.3 before it.`"""
    texts = [
        f"On {facts.processor if facts.device == 'cpu' else facts.device}",
        plural(facts.threads, "thread") if facts.threads else "",
        "with no other trial on its machine" if facts.alone else "perhaps beside other trials on its machine",
        f"load average {facts.load_before[0]:g} before it" if facts.load_before else "",
        f"{facts.processor_share:.0%} of its threads' time".replace("%", " %") if facts.processor_share else "",
        f"others had {facts.others_share:.0%} of the machine".replace("%", " %") if facts.others_share else "",
        f"last cache {facts.cache_bytes / 2**20:,.3g} MiB" if facts.cache_bytes else "",
        f"arrays of {facts.array_bytes / 2**20:,.0f} MiB" if facts.array_bytes else "",
        f"memory bus {facts.memory_bus_bits} bits" if facts.memory_bus_bits else "",
    ]
    return ", ".join(filter(None, texts)) + "."


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
