"""The page that explains every hyperparameter: its values, the default, what it does and where that is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.domain.configuration import LAYER_WIDTHS
from app.domain.hyperparameters import HYPERPARAMETERS, Hyperparameter, layer_width, values_text
from app.domain.tasks import TASKS
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Explanation:
    """One hyperparameter, or several that mean the same of one layer each."""

    names: Sequence[str]
    parameter: Hyperparameter

    @property
    def values(self) -> str:
        """What it can be."""
        return values_text(self.parameter.kind)


@dataclass(frozen=True)
class Chapter:
    """The hyperparameters of a task, without those that an earlier chapter has."""

    title: str
    explanations: Sequence[Explanation]


@dataclass(frozen=True)
class HyperparametersView:
    """All hyperparameters."""

    chapters: Sequence[Chapter]


def _explanations(hyperparameters: Mapping[str, Hyperparameter]) -> list[Explanation]:
    return [
        Explanation(LAYER_WIDTHS, layer_width("k")) if name in LAYER_WIDTHS else Explanation((name,), parameter)
        for name, parameter in hyperparameters.items()
        if name not in LAYER_WIDTHS[1:]
    ]


def _chapters() -> list[Chapter]:
    chapters = [Chapter("Of a training", _explanations(HYPERPARAMETERS))]
    explained = set(HYPERPARAMETERS)
    for task in TASKS.values():
        further = {name: value for name, value in task.hyperparameters.items() if name not in explained}
        explained |= further.keys()
        if further:
            chapters.append(Chapter(f"Of {task.name}, which {task.meaning}", _explanations(further)))
    return chapters


@router.get("/hyperparameters")
def explain_hyperparameters(request: Request) -> Response:
    """What a search space can name."""
    return render(request, "hyperparameters.html", HyperparametersView(_chapters()))
