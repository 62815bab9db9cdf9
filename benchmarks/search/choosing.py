"""Which rule chooses the best of configurations by a few runs: `python -m benchmarks.search.choosing [--sweeps 4000]`.

Nothing is trained: true values and runs are drawn, 64 configurations a sweep. The regret is how much less the chosen
one truly has than the best, in standard deviations of a run. After a rerun the five that the rule ranks first have ten
runs more. True values are normal, with the standard deviation of a run, or have a long tail below, as after a search
over rates. The noise of a run is the same for all configurations, or differs by a factor of one and a half or so.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

Z = 1.645
CONFIGURATIONS, TOP, FURTHER = 64, 5, 10
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of means, variances of runs and numbers of runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=4000, help="of each line of the table")
    sweeps = parser.parse_args().sweeps
    rules = list(RULES)
    heads = [*rules, *(f"{name}, rerun" for name in rules)]
    print(f"| values | noise | runs | {' | '.join(heads)} | not rerun |")
    print(f"|{'---|' * (2 * len(rules) + 4)}")
    for population, noise, runs in product(POPULATIONS, NOISES, (2, 3, 5)):
        regrets = _mean_regrets(population, noise, np.random.default_rng(runs), sweeps, runs)
        first, again = (" | ".join(f"{regrets[name][at]:.3f}" for name in rules) for at in (0, 1))
        not_rerun = ", ".join(f"{regrets[name][2]:.0%}" for name in rules)
        print(f"| {population} | {noise} | {runs} | {first} | {again} | {not_rerun} |", flush=True)


def _mean(means: np.ndarray, variances: np.ndarray, runs: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return means


def _lower_bound(means: np.ndarray, variances: np.ndarray, runs: np.ndarray) -> np.ndarray:
    bounds: np.ndarray = means - Z * np.sqrt(variances / runs)
    return bounds


def expected(means: np.ndarray, variances: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """What configurations are expected to have with more runs, as app.lifecycle.best computes it."""
    noise = (variances * (runs - 1)).sum() / (runs - 1).sum()
    # at 0 all would be equal: the order just above it
    spread = max(means.var(ddof=1) - noise * (1 / runs).mean(), 1e-9)
    center = means.mean()
    values: np.ndarray = center + (means - center) * spread / (spread + noise / runs)
    return values


RULES: dict[str, Rule] = {"mean": _mean, "lower_bound": _lower_bound, "expected": expected}
POPULATIONS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda draw, count: draw.standard_normal(count),
    "long tail": lambda draw, count: -draw.exponential(1.0, count) * draw.exponential(1.0, count),
}


NOISES = {"equal": 0.0, "differs": 0.4}  # standard deviation of the logarithm of a run's standard deviation


def _mean_regrets(
    population: str, noise: str, draw: np.random.Generator, sweeps: int, runs: int
) -> dict[str, tuple[float, float, float]]:
    """By rule the mean regret before and after the rerun, and how often it then chose one that was not rerun."""
    regrets: dict[str, list[tuple[float, float, float]]] = {name: [] for name in RULES}
    for _ in range(sweeps):
        truth = POPULATIONS[population](draw, CONFIGURATIONS)
        stds = np.exp(NOISES[noise] * draw.standard_normal(CONFIGURATIONS))
        values = truth[:, None] + stds[:, None] * draw.standard_normal((CONFIGURATIONS, runs + FURTHER))
        for name, outcome in _outcomes(truth, values, runs):
            regrets[name].append(outcome)
    return {name: tuple(np.mean(outcomes, axis=0)) for name, outcomes in regrets.items()}


def _outcomes(truth: np.ndarray, values: np.ndarray, runs: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    for name, rule in RULES.items():
        counts = np.full(len(truth), runs)
        scores = rule(values[:, :runs].mean(axis=1), values[:, :runs].var(axis=1, ddof=1), counts)
        top = np.argsort(-scores)[:TOP]
        counts[top] += FURTHER
        kept = np.arange(values.shape[1]) < counts[:, None]
        means, variances = values.mean(axis=1, where=kept), values.var(axis=1, ddof=1, where=kept)
        chosen = int(np.argmax(rule(means, variances, counts)))
        best = truth.max()
        yield name, (best - truth[top[0]], best - truth[chosen], float(chosen not in top))


if __name__ == "__main__":
    main()
