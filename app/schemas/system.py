"""Workers, data sets and charts."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.states import WorkerState
from app.schemas.base import UtcTime


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
    started_at: UtcTime
    last_seen: UtcTime


class DatasetOut(BaseModel):
    """A data set that sweeps can name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    features: int
    classes: int
    train: int
    test: int
    held_out: int
    source: str


class ChartOut(BaseModel):
    """A chart of a sweep and where it is."""

    name: str
    url: str
