"""The body that changes a sweep, and the preview of one that is not made yet."""

from pydantic import BaseModel, ConfigDict, Field

from app.domain.body import Body
from app.domain.sweep_limits import MAX_TRIALS
from app.schemas.settings.space import SpaceBody
from app.schemas.settings.stop import StopRules
from app.schemas.settings.warm_starts import WarmStarted
from app.schemas.sweeps import Device, KeepModels, Name, Notes, Priority, Tags


class SweepPatch(Body):
    """What to change; what is left out stays. Of it only `stop` and `device` may be null, which removes them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"n_trials": 128, "tags": ["width"], "priority": 10}]})

    # the defaults stand for nothing: only fields that were sent are looked at
    name: Name = Field(default_factory=str, description="Shown in lists and above charts.")
    notes: Notes = Field(default_factory=str)
    tags: Tags = Field(default_factory=list, description="All of its tags.")
    priority: Priority = Field(default_factory=int)
    device: Device = None
    n_trials: int = Field(
        default_factory=int,
        ge=1,
        le=MAX_TRIALS,
        description="All trials, those so far included. More of them let an ended sweep go on; fewer drop trials that "
        "have not started. A grid has its own number.",
    )
    space: SpaceBody = Field(
        default_factory=dict,
        description="The whole search space, as it shall be: all that it has now, and more. A grid gets the new cells.",
    )
    keep_models: KeepModels = Field(default_factory=lambda: "best", description="Of trials that end from now on.")
    stop: StopRules | None = Field(None, description="The rules from now on; null for none.")


class SweepPreview(BaseModel):
    """What a sweep would be and take, as far as that can be known before it runs."""

    n_trials: int
    cells: int | None = Field(description="Of a grid; null for other samplers.")
    trainings: int = Field(description="Trials times seeds, and further seeds of survivors: then at most so many.")
    survivors: int | None = Field(description="At most so many configurations get further seeds; null where none can.")
    warm_started: WarmStarted | None = Field(description="What would become of `warm_start` now.")
    parameters: int = Field(description="Weights and biases of the largest model that the space holds.")
    memory: int = Field(description="Bytes that the runs of its largest trial take together while they train, at most.")
    estimated_seconds: float | None = Field(
        description="On the workers that are connected now, each as quick as it has been, without other sweeps beside."
    )
    estimate: str = Field(description="What the seconds are estimated from, or why they can't be.")
    warnings: list[str] = Field(description="What of it would be expensive, or to no purpose; a sentence each.")
