"""The charts by name."""

from app.charts.importance import importance_data, importance_figure
from app.charts.landscape.contour import contour_data, contour_figure
from app.charts.landscape.rank import rank_data, rank_figure
from app.charts.options import (
    all_curves_options,
    curves_options,
    diagnostics_options,
    edf_options,
    effect_options,
    heatmap_options,
    importance_options,
    joined,
    pareto_options,
    plane_options,
    regret_options,
    scatter_options,
    timeline_options,
)
from app.charts.overview.edf import edf_data, edf_figure
from app.charts.overview.parallel_coordinates import parallel_data, parallel_figure
from app.charts.overview.slice import slice_data, slice_figure
from app.charts.progress.all_curves import trials_of_all_curves
from app.charts.progress.history import history_data, history_figure
from app.charts.progress.regret import regret_data, regret_figure
from app.charts.registry.drawings import (
    draw_all_curves,
    draw_curves,
    draw_diagnostics,
    draw_effect,
    draw_heatmap,
    draw_pareto,
    draw_scatter,
    draw_timeline,
    measured_objective,
    of_trials,
    own_objective,
    trials_over_epochs,
)
from app.charts.registry.kinds import Chart
from app.errors import NotFoundError

CHARTS: dict[str, Chart] = {
    entry.name: entry
    for entry in (
        Chart(
            "effect",
            "Effect of one hyperparameter",
            "The metric against one hyperparameter: alone, along the lines of a grid, or as a sampler found it.",
            "runs",
            draw_effect,
            ("x", "color", "close", "dependence"),
            effect_options,
            robust=own_objective,
        ),
        Chart(
            "heatmap",
            "Heat map of two",
            "The metric over two hyperparameters, or over one and the epochs of the learning curves.",
            "runs",
            draw_heatmap,
            ("x", "y"),
            heatmap_options,
            pick=trials_over_epochs,
        ),
        Chart(
            "importance",
            "What matters",
            "How much of the variance between configurations each hyperparameter explains alone, with its interval.",
            "pooled",
            of_trials(importance_data, importance_figure),
            ("close",),
            importance_options,
        ),
        Chart(
            "curves",
            "Learning curves",
            "Training and validation over the epochs, mean and spread over seeds.",
            "epochs",
            draw_curves,
            ("measure", "trials"),
            curves_options,
            robust=measured_objective,
        ),
        Chart(
            "all_curves",
            "All learning curves",
            "The objective over the epochs, a thin line for each trial, in groups that can be hidden and shown.",
            "epochs",
            draw_all_curves,
            ("group",),
            all_curves_options,
            robust=own_objective,
            pick=trials_of_all_curves,
        ),
        Chart(
            "diagnostics",
            "What the networks do",
            "Dead units and the sizes of activations and gradients by layer, and how many answers a network gives.",
            "diagnostics",
            draw_diagnostics,
            ("measure", "epoch"),
            diagnostics_options,
        ),
        Chart(
            "history",
            "History of the search",
            "Every trial's value by number, the best single trial so far, and the best configuration.",
            "trials",
            of_trials(history_data, history_figure),
            robust=own_objective,
        ),
        Chart(
            "regret",
            "Best so far by what was spent",
            "The best single trial so far against seconds, epochs trained or trials.",
            "trials",
            of_trials(regret_data, regret_figure),
            ("x",),
            regret_options,
        ),
        Chart(
            "parallel_coordinates",
            "All hyperparameters side by side",
            "A line for each configuration through an axis for each hyperparameter, coloured by its value.",
            "pooled",
            of_trials(parallel_data, parallel_figure),
        ),
        Chart(
            "slice",
            "Each hyperparameter by itself",
            "A panel for each hyperparameter with the value of every configuration, coloured by when it was tried.",
            "pooled",
            of_trials(slice_data, slice_figure),
            robust=own_objective,
        ),
        Chart(
            "contour",
            "What is to be expected",
            "What a forest expects over two hyperparameters, only where something was tried nearby.",
            "pooled",
            of_trials(contour_data, contour_figure),
            ("x", "y"),
            plane_options,
        ),
        Chart(
            "rank",
            "Ranks of what was tried",
            "Configurations on one or two hyperparameters, coloured by their place among all.",
            "pooled",
            of_trials(rank_data, rank_figure),
            ("x", "y"),
            plane_options,
        ),
        Chart(
            "edf",
            "How many are how good",
            "The share of configurations that are at least as good as each value.",
            "pooled",
            of_trials(edf_data, edf_figure),
            ("color",),
            edf_options,
        ),
        Chart(
            "scatter",
            "One metric against another",
            "A metric of every trial against another one, training time, the size of networks, or a hyperparameter.",
            "metrics",
            draw_scatter,
            ("x", "y", "color"),
            scatter_options,
        ),
        Chart(
            "timeline",
            "When trials were trained",
            "The last leg of each trial from start to end, and attempts that came to nothing, below their workers.",
            "attempts",
            draw_timeline,
            ("by",),
            timeline_options,
        ),
        Chart(
            "pareto",
            "Pareto front",
            "Two objectives against each other, with the trials that no other beats in all of them.",
            "objectives",
            draw_pareto,
            ("x", "y"),
            pareto_options,
        ),
    )
}


def chart(name: str) -> Chart:
    """The chart of that name. Raises NotFoundError, which names those that exist."""
    if name not in CHARTS:
        raise NotFoundError(f"There is no chart {name!r}; there are {joined(CHARTS)}.")
    return CHARTS[name]
