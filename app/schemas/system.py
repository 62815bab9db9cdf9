"""Workers and charts."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.devices.kinds import DeviceKind
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
    device: str = Field(description="The GPU's model, or `cpu`.")
    device_kind: DeviceKind = Field(description="What a sweep's `device` means.")
    threads: int
    memory: int = Field(description="Bytes.")
    state: WorkerState
    alive: bool
    trials: int = Field(description="Trials that it finished.")
    over_http: bool = Field(description="Whether it takes its work from a server, and does not reach the database.")
    draining: bool = Field(description="Whether it hands its trials back and claims none: `POST /workers/{id}/drain`.")
    sweep: int | None = Field(description="The sweep that it trains; null while it trains none.")
    sweep_name: str | None
    running: int = Field(description="Trials that it holds: those of one cohort, which train together.")
    examples_per_second: float | None = Field(
        description="Examples that its networks trained on, summed over them, in a second of training in the last ten "
        "minutes; null where it has trained nothing since."
    )
    speed: float | None = Field(
        description="What it trains a second, in multiply-adds as costs count them, smoothed: by it what is left of a "
        "sweep is shared. Null until it, or an earlier worker of its host and device, has trained for a while."
    )
    started_at: UtcTime
    last_seen: UtcTime


class ChartOut(BaseModel):
    """A chart of a sweep and where it is."""

    name: str
    url: str
