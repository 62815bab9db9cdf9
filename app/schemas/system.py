"""Workers and charts."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.states import WorkerState
from app.schemas.base import UtcTime


class ReadyOut(BaseModel):
    """The server is ready; `warnings` say what else is worth a look."""

    status: str = "ready"
    warnings: list[str] = []


class WorkerOut(BaseModel):
    """One trainer process; `alive` until it has been silent for a while."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    host: str
    pid: int
    device: str
    threads: int
    memory: int = Field(description="Bytes.")
    state: WorkerState
    alive: bool
    trials: int = Field(description="Trials that it finished.")
    draining: bool = Field(description="Whether it hands its trials back and claims none: `POST /workers/{id}/drain`.")
    sweep: int | None = Field(description="The sweep that it trains; null while it trains none.")
    sweep_name: str | None
    running: int = Field(description="Trials that it holds: those of one cohort, which train together.")
    examples_per_second: float | None = Field(
        description="Examples that its networks trained on, summed over them, in a second of training in the last ten "
        "minutes; null where it has trained nothing since."
    )
    started_at: UtcTime
    last_seen: UtcTime


class ChartOut(BaseModel):
    """A chart of a sweep and where it is."""

    name: str
    url: str
