"""Warnings of sweeps: what keeps one from going on though trials of it wait, and what to do about it."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.devices.products import EXACT, PRODUCTS_SETTINGS
from app.queue.retraining import is_due
from app.queue.workers import live_kinds, live_products


def warnings_of(session: Session, sweeps: Sequence[Sweep], waiting: Collection[int]) -> Mapping[int, Sequence[str]]:
    """A sentence for each thing, by the number of the sweep; `waiting` are those of which trials wait.

    It takes one statement where a sweep wishes for a device, two where nobody has it, one where
    products are not exact, and else none.
    """
    sentences_by_thing = _without_device(session, sweeps, waiting), _without_products(session, sweeps, waiting)
    return {
        sweep.id: [sentences[sweep.id] for sentences in sentences_by_thing if sweep.id in sentences] for sweep in sweeps
    }


def _without_device(session: Session, sweeps: Sequence[Sweep], waiting: Collection[int]) -> Mapping[int, str]:
    kinds = live_kinds(session) if any(sweep.device for sweep in sweeps) else ()
    devices = {sweep.id: sweep.device for sweep in sweeps if sweep.device and sweep.device not in kinds}
    if not devices:
        return {}
    wanted_models = select(Trial.sweep_id).where(Trial.sweep_id.in_(devices), is_due(Trial)).distinct()
    sentences = {sweep_id: _no_device_for_model(devices[sweep_id]) for sweep_id in session.scalars(wanted_models)}
    return sentences | {sweep_id: no_device(devices[sweep_id]) for sweep_id in waiting if sweep_id in devices}


def _without_products(session: Session, sweeps: Sequence[Sweep], waiting: Collection[int]) -> Mapping[int, str]:
    """Of a sweep that was begun with products which nobody computes any more."""
    begun = {sweep.id: sweep.products for sweep in sweeps if sweep.products != EXACT and sweep.id in waiting}
    if not begun:
        return {}
    computed = live_products(session)
    return {
        sweep_id: f"It was begun with {products} products, and no worker is connected that computes them: "
        f"it waits for one with {PRODUCTS_SETTINGS[products]}=true."
        for sweep_id, products in begun.items()
        if products not in computed
    }


def no_device(device: str | None) -> str:
    """That nobody is there for a sweep that wishes for such a device."""
    return f"{_nobody_has(device)}: the sweep waits for one, or until its device is changed."


def _no_device_for_model(device: str | None) -> str:
    """The same of a sweep that has ended, a model of which is wanted."""
    return f"{_nobody_has(device)}: a model that is to be trained again waits for one, or until the device is changed."


def _nobody_has(device: str | None) -> str:
    return f"No worker with the device {device} is connected, or each is drained"
