"""What the searches show: the best result, which method came furthest, and what matters only together."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from app.charts.importance import ImportanceData
from app.charts.importance.data import TOGETHER, Share
from app.domain.datasets import DATASETS
from app.domain.formatting import approximate, percent, plural, settings
from app.exercises.answers.comparison import compare, points, size
from app.exercises.answers.finding import Finding
from app.exercises.answers.levels import Level
from app.exercises.answers.shares import share_percent
from app.exercises.answers.wording import judged_on, name_list, recipe, spread
from app.exercises.exercise import Measurements, SweepData
from app.exercises.joint_search.methods import HALVING, reading_name
from app.exercises.joint_search.searches import Search

PUBLISHED = (
    "published there are 0.8833 for a network 256-128-100 (README of Fashion-MNIST), and 0.9056 in validation for two "
    "layers of up to 1,024 units that were trained for up to 81 epochs (Syne Tune's tutorial)."
)
FINER = 10  # values of each hyperparameter, for what a fine grid would cost


def first_sentence(
    best: SweepData, leader: Level[str], by_method: Mapping[str, Level[str]], measurements: Measurements
) -> str:
    """What the best configuration scores, why its value in validation flatters it, and which search is ahead."""
    assert best.sweep.best is not None
    result = best.sweep.best
    trainings = sum(trial.state == "complete" for data in measurements.values() for trial in data.trials)
    value_text = f"{result.value:.4f}, the highest of {plural(trainings, 'complete training')} and so a little too good"
    head = f"The best configuration found ({_varied(best)})"
    text = (
        f"{head} has a validation accuracy of {value_text}."
        if result.test_accuracy is None
        else f"{head} scores {result.test_accuracy:.4f} on the test images; in validation it has {value_text}."
    )
    epochs_text = f"The number of epochs was fixed at {result.params['epochs']}, not searched."
    return f"{text} {epochs_text} {_lead_text(leader, by_method)}"


def _lead_text(leader: Level[str], by_method: Mapping[str, Level[str]]) -> str:
    """`TPE ends 3.00 (2.00 to 4.00) above grid and ..., in percentage points (...): clear against grid, not ...`."""
    comparisons = {name: compare(leader, level) for name, level in by_method.items() if name != leader.setting}
    leads = [f"{size(comparison)} above {name}" for name, comparison in comparisons.items() if comparison is not None]
    beaten, equal = _beaten(leader, by_method)
    clarity = f"clear against {name_list(beaten)}" if beaten else "which search is best is not clear"
    if beaten and equal:
        clarity += f", not against {name_list(equal, 'or')}"
    return (
        f"{leader.setting} ends {name_list(leads)}, in percentage points (95 % confidence, "
        f"{plural(leader.n, 'repetition')}): {clarity}."
    )


def _beaten(leader: Level[str], by_method: Mapping[str, Level[str]]) -> tuple[list[str], list[str]]:
    """The other methods than which the leader is clearly better, and those than which it may not be."""
    comparisons = {name: compare(leader, level) for name, level in by_method.items() if name != leader.setting}
    beaten = [name for name, comparison in comparisons.items() if comparison is not None and comparison.is_clear]
    return beaten, [name for name in comparisons if name not in beaten]


def _varied(data: SweepData) -> str:
    """The best configuration without what all trials share: `learning rate 0.2458, hidden units 244`."""
    assert data.sweep.best is not None
    names = {name: reading_name(name) for name in data.sweep.best.params if name not in ("epochs", "batch_size")}
    return settings({names[name]: value for name, value in data.sweep.best.params.items() if name in names})


def best_finding(name: str, data: SweepData) -> Finding:
    best = data.sweep.best
    assert best is not None
    shared = f"{data.sweep.dataset}, {best.params['epochs']} epochs"
    runs_text = "by one run" if best.runs == 1 else f"the mean of {best.runs} runs"
    value_text = f"{best.value:.4f} in validation, {runs_text}"
    text = f"Best configuration: {_varied(data)} ({shared}), found by {_search_text(name)}: {value_text}."
    if best.test_accuracy is not None:
        text += f" On the {DATASETS[data.sweep.dataset].test:,} test images it scores {best.test_accuracy:.4f}"
        text += f", after {best.params['epochs']} epochs; {PUBLISHED}" if _is_book(data) else "."
    return Finding("best", text, best.value, None, best.runs, "accuracy", best.params)


def _search_text(name: str) -> str:
    """`TPE in repetition 3`, of the name of a search's sweep."""
    method, _, repetition = name.rpartition(" ")
    return f"{method} in repetition {repetition}"


def _is_book(data: SweepData) -> bool:
    return data.sweep.dataset == "fashion_mnist"


def method_findings(
    searches: Mapping[str, Sequence[Search]], leader: Level[str], by_method: Mapping[str, Level[str]]
) -> list[Finding]:
    """How much the leader is ahead of each other method, at equal repetitions."""
    rivals = {method: level for method, level in by_method.items() if method != leader.setting}
    comparisons = {method: compare(leader, level) for method, level in rivals.items()}
    known_comparisons = {method: item for method, item in comparisons.items() if item is not None}
    if not known_comparisons:
        return []
    leads = ", ".join(f"of {method} by {size(item)}" for method, item in known_comparisons.items())
    clear = ", ".join(method for method, item in known_comparisons.items() if item.is_clear)
    clarity = f"clear against {clear}" if clear else "not clear"
    text = (
        f"At the end, {_epochs_text(searches)}, {leader.setting} has come to {spread(leader)}, ahead {leads} "
        f"percentage points (95 % confidence, {plural(leader.n, 'repetition')}): {clarity}."
    )
    nearest = min((item.difference for item in known_comparisons.values()), key=lambda item: item.estimate)
    return [Finding("lead", text, nearest.estimate, nearest.interval, nearest.n, "accuracy")]


def _epochs_text(searches: Mapping[str, Sequence[Search]]) -> str:
    """`after 324 to 342 epochs a search`: how much training the methods had, of each the mean of its repetitions."""
    means = [f"{fmean(search.epochs for search in results):.0f}" for results in searches.values()]
    bounds = dict.fromkeys((min(means, key=int), max(means, key=int)))
    return f"after {' to '.join(bounds)} epochs a search"


def strategy_findings(
    searches: Mapping[str, Sequence[Search]], leader: Level[str], by_method: Mapping[str, Level[str]]
) -> list[Finding]:
    """What stopping early bought, and whether that pays."""
    halved, full = searches[HALVING], searches["random"]
    trials = sum(search.trials for search in halved) / sum(search.trials for search in full)
    epochs = sum(search.epochs for search in halved) / sum(search.epochs for search in full)
    text = (
        f"A strategy: stopping bad configurations early let {HALVING} try {trials:.1f} times as many of them as random "
        f"search, with {_times_text(epochs)} epochs. {_advice(leader, by_method)}"
    )
    return [Finding("trials_ratio", text, trials, None, len(halved))]


def _times_text(share: float) -> str:
    """`about as many`, or `1.2 times as many`."""
    return "about as many" if f"{share:.1f}" == "1.0" else f"{share:.1f} times as many"


def early_findings(searches: Mapping[str, Sequence[Search]], leader: Level[str]) -> list[Finding]:
    """Who was ahead early, and who at the end."""
    begun = {method: [search.path[0][0] for search in results] for method, results in searches.items()}
    earliest = min(begun, key=lambda method: min(begun[method]))
    latest = max(begun, key=lambda method: max(begun[method]))
    moment = max(begun[latest])
    all_searches = [search for results in searches.values() for search in results]
    ended = sum(search.seconds <= moment for search in all_searches)
    early = {method: fmean(search.best_at(moment) or 0.0 for search in results) for method, results in searches.items()}
    first = max(early, key=lambda method: early[method])
    text = (
        f"First values come after {min(begun[earliest]):.0f} s ({earliest}) to {moment:.0f} s ({latest}), as many "
        f"trials train at a time. After {moment:.0f} s, with {ended or 'none'} of {len(all_searches)} searches at "
        f"their end, {first} is ahead ({early[first]:.4f}), {'and still' if first == leader.setting else 'but not'} "
        f"at the end{'' if first == leader.setting else f', where {leader.setting} is'}."
    )
    return [Finding("all_begun", text, moment, None, len(all_searches), "s")]


def _advice(leader: Level[str], by_method: Mapping[str, Level[str]]) -> str:
    """What stopping early and TPE bring beside trying at random, and which of the two does."""
    comparison = compare(by_method[HALVING], by_method["random"])
    if comparison is None or not comparison.is_clear:
        return f"Whether that pays is not clear at {plural(leader.n, 'repetition')}."
    text = f"The best that it finds has {points(comparison, 'repetition')} than that of random search: clear"
    if comparison.difference.estimate < 0:
        return f"{text}."
    alone = compare(by_method[HALVING], by_method["TPE"])
    if alone is None or not alone.is_clear:
        return f"{text}; whether TPE helps, or stopping, is not clear at {plural(leader.n, 'repetition')}."
    is_better = alone.difference.estimate > 0
    return f"{text}, and clearly {'better' if is_better else 'worse'} than TPE without stopping."


def speed_findings(searches: Mapping[str, Sequence[Search]]) -> list[Finding]:
    """How soon each method comes to what every random search came to."""
    target = min(search.best for search in searches["random"])
    times = {
        method: [time for search in results if (time := search.seconds_to(target)) is not None]
        for method, results in searches.items()
    }
    texts = [
        f"{method} in {len(times[method])} of {len(results)}"
        + (f" ({fmean(times[method]):.0f} s)" if times[method] else "")
        for method, results in searches.items()
    ]
    text = (
        f"{target:.4f}, which every random search came to, is reached by {', '.join(texts)} repetitions; in brackets "
        "the mean of those that do, on a machine with whatever else it did."
    )
    halved = times[HALVING]
    return [Finding("seconds_of_halving", text, fmean(halved) if halved else None, None, len(halved), "s")]


def importance_findings(importance: ImportanceData) -> list[Finding]:
    if importance.reason:
        return []
    first = importance.single[0]._replace(name=reading_name(importance.single[0].name))
    together = next(share for share in importance.comparisons if share.name == TOGETHER)
    text = (
        f"As a forest of decision trees sees {plural(importance.configurations, 'random configuration')}, {first.name} "
        f"alone explains {_share_text(first)} of their variance; {_share_text(together)} no hyperparameter explains "
        f"alone: it is interaction, or noise of the seeds. In brackets are 90 % of its resamples. So {first.name} is "
        "the one to search first. How much the others matter is less sure: of the variance of configurations that it "
        f"has not seen, the forest explains {percent(max(importance.predicted, 0.0))}."
    )
    return [
        Finding("together", text, together.share, (together.low, together.high), importance.configurations, "share", {})
    ]


def _share_text(share: Share) -> str:
    return f"{share_percent(share.share)} ({share_percent(share.low)} to {share_percent(share.high)})"


def cell_findings(data: SweepData, searches: Mapping[str, Sequence[Search]]) -> list[Finding]:
    """What a fine grid over all of them would cost, by the time that a trial took here."""
    grid = searches["grid"]
    names = [name for name, axis in data.sweep.axes.items() if name not in ("epochs", "batch_size") and axis]
    cells = FINER ** len(names)
    seconds = sum(search.seconds for search in grid) / sum(search.trials for search in grid)
    text = (
        f"Why it is harder: the cells of a grid multiply. {FINER} values each of {len(names)} hyperparameters are "
        f"{cells:,} trainings; at the {seconds:.2g} s a trial that the grid took here, that is "
        f"{approximate(cells * seconds)} with one seed. Each further hyperparameter multiplies it by {FINER}; only "
        "epochs come free, for at a constant rate fewer are the beginnings of the same runs."
    )
    return [Finding("fine_grid_seconds", text, cells * seconds, None, sum(search.trials for search in grid), "s", {})]


def certainty(leader: Level[str], by_method: Mapping[str, Level[str]]) -> str:
    won = sum(
        all(leader.values[r] >= level.values.get(r, leader.values[r]) for level in by_method.values())
        for r in leader.values
    )
    return (
        f"The method that is ahead, {leader.setting}, has the best value in {won} of {plural(leader.n, 'repetition')}. "
        "Each best value is the highest of many single runs, so it is a little too good; methods are compared "
        "repetition by repetition."
    )


def caveats(data: SweepData, measurements: Measurements) -> list[str]:
    settings_text = recipe(data.trials, ("activation", "optimizer", "batch_size"))
    failures = sum(trial.state == "failed" for item in measurements.values() for trial in item.trials)
    counts = "counts" if failures == 1 else "count"
    return [
        "Not tested: other numbers of epochs, of which exercise 4 tells what more bring, and other choices of all that "
        f"was alike ({settings_text}). Only three hyperparameters were searched, over few trials.",
        *([f"{plural(failures, 'trial')} diverged, and {counts} as tried without a value."] if failures else []),
        _seconds_caveat(measurements),
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck, and few repetitions "
        "say little of the spread.",
        "Each search looked at the test images once, for its own best configuration; the one shown was chosen by "
        "validation alone.",
    ]


def _seconds_caveat(measurements: Measurements) -> str:
    """That searches had the machine not for themselves, in figures."""
    spans = [
        (data.sweep.started_at, max(ends))
        for data in measurements.values()
        if data.sweep.started_at and (ends := [trial.finished_at for trial in data.trials if trial.finished_at])
    ]
    # each shares its time with itself
    crowded = sum(sum(start < own_end and own_start < end for start, end in spans) > 1 for own_start, own_end in spans)
    return (
        "Seconds are those of this machine's workers, which train many trials at once, beside whatever else it did"
        + (f": {crowded} of {len(spans)} searches were in training while another one was." if crowded else ".")
    )
