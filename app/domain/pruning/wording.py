"""The sentence that tells people a verdict, with the numbers that decided it."""

from app.domain.pruning.verdicts import (
    Comparison,
    PatienceVerdict,
    PercentileVerdict,
    RankVerdict,
    RungVerdict,
    ThresholdVerdict,
    Verdict,
    WilcoxonVerdict,
    WrappedVerdict,
)


def sentence(verdict: Verdict) -> str:
    """For example `epoch 4: mean 0.712 over 3 seeds is below the median 0.781 of 12 trials`."""
    match verdict:
        case PercentileVerdict():
            comparison = _percentile_words(verdict)
        case RungVerdict():
            comparison = _rung_words(verdict)
        case ThresholdVerdict():
            comparison = _threshold_words(verdict)
        case PatienceVerdict():
            comparison = _patience_words(verdict)
        case WilcoxonVerdict():
            comparison = _wilcoxon_words(verdict)
        case RankVerdict():
            comparison = _rank_words(verdict)
        case WrappedVerdict():
            return f"{sentence(verdict.verdict)}; it has not improved for {_count(verdict.stale_epochs, 'epoch')}"
    return f"epoch {verdict.epoch}: {comparison}"


def _percentile_words(verdict: PercentileVerdict) -> str:
    mean, border = _distinct(verdict.mean, verdict.border)
    name = "mean" if verdict.best_epoch == verdict.epoch else f"best mean (that of epoch {verdict.best_epoch})"
    trials = _count(verdict.compared_trials, "trial")
    if verdict.percentile is None:
        border_words = f"the median {border} of {trials}"
    else:
        border_words = f"{border}, the border of the best {verdict.percentile:g} % of {trials}"
    return f"{name} {mean} over {_seeds(verdict)} is {_side(verdict.mean, verdict.border)} {border_words}"


def _rung_words(verdict: RungVerdict) -> str:
    rung = f"rung {verdict.rung}" + (f" of bracket {verdict.bracket}" if verdict.bracket is not None else "")
    trials = _count(verdict.compared_trials, "trial")
    if verdict.border is None:
        (mean,) = _distinct(verdict.mean)
        words = f"one of {trials}, and more than {verdict.bootstrap_count} must reach {rung}"
    else:
        mean, border = _distinct(verdict.mean, verdict.border)
        promoted = f"the best {verdict.promoted_trials}" if verdict.promoted_trials > 1 else "the best"
        words = f"{_side(verdict.mean, verdict.border)} {border}, which {promoted} of {trials} reached at {rung}"
    return f"mean {mean} over {_seeds(verdict)} is {words}"


def _threshold_words(verdict: ThresholdVerdict) -> str:
    mean, limit = _distinct(verdict.mean, verdict.limit)
    return f"mean {mean} over {_seeds(verdict)} is {_side(verdict.mean, verdict.limit)} the threshold {limit}"


def _patience_words(verdict: PatienceVerdict) -> str:
    mean, earlier_best = _distinct(verdict.mean, verdict.earlier_best)
    recent_best = f"best mean {mean} over {_seeds(verdict)} in the last {_count(verdict.stale_epochs, 'epoch')}"
    margin = f"more than {verdict.min_delta:g} " if verdict.min_delta else ""
    return f"{recent_best} is {margin}{_side(verdict.mean, verdict.earlier_best)} the best before, {earlier_best}"


def _wilcoxon_words(verdict: WilcoxonVerdict) -> str:
    mean, best_mean = _distinct(verdict.mean, verdict.best_mean)
    test = f"p = {verdict.p:.3g} over {verdict.pairs} pairs, below {verdict.p_threshold:g}"
    best = f"{_side(verdict.mean, verdict.best_mean)} {best_mean} of trial {verdict.best_trial}, the best"
    return f"mean {mean} over {_seeds(verdict)} is {best} ({test})"


def _rank_words(verdict: RankVerdict) -> str:
    (mean,) = _distinct(verdict.mean)
    promoted = f"the best {verdict.promoted_trials} go on" if verdict.promoted_trials > 1 else "only the best goes on"
    rank = f"number {verdict.rank} of {_count(verdict.compared_trials, 'trial')}"
    return f"mean {mean} over {_seeds(verdict)} is {rank}, and {promoted}"


def _distinct(*numbers: float) -> tuple[str, ...]:
    """The numbers with four digits, or with as many as tell different ones apart."""
    for digits in range(4, 18):
        texts = tuple(f"{number:.{digits}g}" for number in numbers)
        if len(set(texts)) == len(set(numbers)):
            break
    return texts


def _side(mean: float, border: float) -> str:
    if mean == border:
        return "no better than"
    return "below" if mean < border else "above"


def _seeds(verdict: Comparison) -> str:
    return _count(verdict.seeds, "seed")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
