"""The titles and subtitles of charts, and the names of metrics on their axes."""

from app.charts.labels import escape
from app.charts.rows import SweepRow
from app.domain.formatting import is_in_own_units, plural
from app.domain.tasks import METRICS, TASKS
from app.domain.tasks.train_mlp import EPOCH_METRICS

TOTALS = {"parameters": "Weights and biases", "seconds": "Training time of a run"}
OWN_BEST = "each metric at its own best epoch"  # where the best epoch counts as the value of a run
MEASURES = {"accuracy": "accuracy", "r2": "R²", "loss": "loss", "mae": "mean absolute error"}


def metric_name(metric: str) -> str:
    """`Validation accuracy` for `val_accuracy`. A metric without a name for people keeps its own."""
    if metric in EPOCH_METRICS:
        return EPOCH_METRICS[metric].title
    return TOTALS.get(metric) or metric.replace("_", " ").capitalize()


def value_name(metric: str) -> str:
    """The same of a sweep's objective: `Speed of the product` for `gflops`, `Weights and biases` for `parameters`."""
    return METRICS[metric].title if metric in METRICS else metric_name(metric)


def value_title(metric: str, target_unit: str = "") -> str:
    """What the axis of values says: `Validation accuracy`, or `Speed of the product (GFLOP/s)`."""
    unit = escape(target_unit) if is_in_own_units(metric) else _unit(metric)
    return f"{value_name(metric)} ({unit})" if unit else value_name(metric)


def value_hover(metric: str) -> str:
    """How a hover text of plotly writes a value: with four decimals, or in four digits with its unit."""
    if metric == "parameters":
        return "%{y:,.0f}"
    if is_in_own_units(metric):
        return "%{y:,.4r}"
    return f"%{{y:,.4r}} {_unit(metric)}" if _unit(metric) else "%{y:.4f}"


def _unit(metric: str) -> str:
    if metric == "seconds":
        return "s"
    return METRICS[metric].unit if metric in METRICS else ""


def axis_title(metric: str, sweep: SweepRow) -> str:
    """`Validation loss (nats)`: the metric with its unit. The squared error of standardized numbers has none."""
    if metric in TOTALS:
        return f"{metric_name(metric)} (s)" if metric == "seconds" else metric_name(metric)
    is_cross_entropy = metric.endswith("_loss") and sweep.target == "class"
    unit = "nats" if is_cross_entropy else escape(sweep.unit) if is_in_own_units(metric) else ""
    return f"{metric_name(metric)} ({unit})" if unit else metric_name(metric)


def effect_title(metric: str, hyperparameter: str) -> str:
    """`Validation accuracy by hidden_units`."""
    return f"{value_name(metric)} by {hyperparameter}"


def curves_title(measure: str) -> str:
    """`Learning curves: accuracy`."""
    return f"Learning curves: {MEASURES[measure]}"


def all_curves_title(metric: str) -> str:
    """`All learning curves: validation accuracy`."""
    return f"All learning curves: {within(value_name(metric))}"


def measure_title(measure: str, unit: str) -> str:
    """What the axis of learning curves says: `accuracy`, `mean absolute error (points)` in two lines."""
    return f"mean absolute<br>error ({escape(unit)})" if measure == "mae" and unit else MEASURES[measure]


def within(name: str) -> str:
    """The name as it stands within a sentence: `validation R²`."""
    return name[:1].lower() + name[1:]


def history_title(metric: str) -> str:
    """`Validation accuracy by trial`."""
    return f"{value_name(metric)} by trial"


def heatmap_title(metric: str) -> str:
    """`Heat map of validation accuracy`; its axes say the rest, which no phone has room for."""
    return f"Heat map of {within(value_name(metric))}"


def importance_title(metric: str) -> str:
    """`What matters for the validation accuracy`."""
    return f"What matters for the {within(value_name(metric))}"


def regret_title(metric: str, spent: str) -> str:
    """`Best validation accuracy by seconds`."""
    return f"Best {within(value_name(metric))} by {spent}"


def parallel_title(metric: str) -> str:
    """`Validation accuracy by all hyperparameters`."""
    return f"{metric_name(metric)} by all hyperparameters"


def edf_title(metric: str) -> str:
    """`How many reach which validation accuracy`."""
    return f"How many reach which {within(metric_name(metric))}"


def slice_title(metric: str) -> str:
    """`Validation accuracy in slices`."""
    return f"{value_name(metric)} in slices"


def rank_title(metric: str) -> str:
    """`Ranks by validation accuracy`."""
    return f"Ranks by {within(value_name(metric))}"


def contour_title(metric: str) -> str:
    """`Expected validation accuracy`."""
    return f"Expected {within(value_name(metric))}"


def against_title(x: str, y: str, *, is_metric: bool = True) -> str:
    """`Validation accuracy against weights and biases`; x may be a hyperparameter too."""
    return f"{metric_name(y)} against {within(metric_name(x)) if is_metric else x}"


def subtitle(sweep: SweepRow, *notes: str) -> str:
    """Data set, split, seeds and the notes that are not empty. It always says where test examples validated."""
    facts = " · ".join([*_data_facts(sweep), plural(sweep.seeds, TASKS[sweep.task].run_noun)])
    book = [f"The test {sweep.noun} were used for validation, as in the book"] if sweep.split == "book" else []
    return "<br>".join(filter(None, [facts, *book, sweep.lens, *notes]))


def _data_facts(sweep: SweepRow) -> list[str]:
    """Data set and split, as far as they have a part in it."""
    if TASKS[sweep.task].is_timing:
        return [escape(sweep.dataset)] if TASKS[sweep.task].takes_data else []
    return [escape(sweep.dataset), f"{escape(sweep.split)} split"]


def failed_note(count: int) -> str:
    """`2 failed trials left out`, or nothing."""
    return f"{plural(count, 'failed trial')} left out" if count else ""


def drawn_note(count: int, total: int, noun: str) -> str:
    """`2,000 of 30,000 runs drawn`, or nothing where all of them are."""
    return f"{count:,} of {total:,} {noun} drawn" if count < total else ""
