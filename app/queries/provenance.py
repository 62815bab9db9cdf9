"""The provenance of a sweep's results: from which sweep, when, on which machine and with which versions."""

from importlib.metadata import version

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.charts.page import Fact
from app.db.tables import Sweep, Trial, Worker
from app.domain.formatting import look_text, plural, utc
from app.domain.tasks import TASKS


def sweep_provenance(session: Session, sweep: Sweep, *, names_hosts: bool = True) -> list[Fact]:
    """What a report says of where its figures are from; the machines by name where these are the reader's business."""
    hosts = session.scalars(
        select(Worker.host).join(Trial, Trial.worker_id == Worker.id).where(Trial.sweep_id == sweep.id).distinct()
    )
    task = TASKS[sweep.task]
    runs = f"{plural(sweep.seeds, task.run_noun)} per trial, seed {sweep.seed}"
    devices = sweep.environment.get("devices", [])
    environment = {"perceptune": version("perceptune")} | sweep.environment
    versions = [f"{name} {fact}" for name, fact in environment.items() if name != "devices"]
    texts = {
        "Sweep": f"#{sweep.id}, {sweep.name}, {sweep.state}",
        "Started": utc(sweep.started_at) if sweep.started_at else "not yet",
        "Ended": utc(sweep.finished_at) if sweep.finished_at else "not yet",
        "Data": f"{sweep.dataset}, {sweep.split} split, {runs}" if task.takes_data else "",
        "Repeats": "" if task.takes_data else runs,
        f"Test {sweep.dataset_info.noun}": "" if task.is_timing else _looks(sweep),
        "Machine": ", ".join([*(sorted(hosts) if names_hosts else ()), *(_by_device(session, sweep) or devices)]),
        "Versions": ", ".join(versions),
    }
    return [Fact(name, text) for name, text in texts.items() if text]


def _by_device(session: Session, sweep: Sweep) -> list[str]:
    """`cpu (12 trials)` for each device where there are several; a trial that went from one to another counts twice."""
    device = func.unnest(Trial.devices).label("device")
    trained = select(device).where(Trial.sweep_id == sweep.id, Trial.epochs_done > 0).subquery()
    rows = session.execute(select(trained.c.device, func.count()).group_by(trained.c.device).order_by(trained.c.device))
    counts = {name: trials for name, trials in rows}  # noqa: C416 (of rows mypy knows no types)
    return [f"{name} ({plural(trials, 'trial')})" for name, trials in counts.items()] if len(counts) > 1 else []


def _looks(sweep: Sweep) -> str:
    if sweep.split == "book":
        return "used to validate, as in the book"
    if not sweep.test_scores:
        return "not looked at"
    unit = sweep.dataset_info.unit
    scores_text = ", ".join(f"{look_text(look, unit)} (trial {look['number']})" for look in sweep.test_scores)
    return f"looked at {plural(len(sweep.test_scores), 'time')}: {scores_text}"
