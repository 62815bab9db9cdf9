"""The routers of the dashboard, in the order in which their paths are looked up."""

from app.web.pages import actions, exercises, hyperparameters, login, notes, prediction, workers
from app.web.pages.compare import page as compare
from app.web.pages.datasets import page as datasets
from app.web.pages.docs import page as docs
from app.web.pages.keys import page as keys
from app.web.pages.new_sweep import page as new_sweep
from app.web.pages.setup import page as setup
from app.web.pages.shares import page as shares
from app.web.pages.shares import shared
from app.web.pages.sweep import detail, improving, known, manual, panel, selection
from app.web.pages.sweep_list import bulk
from app.web.pages.sweep_list import page as sweep_list
from app.web.pages.sweep_log import page as sweep_log

# before a sweep's page and actions, whose `/sweeps/{sweep_id}` and `/sweeps/{sweep_id}/{call}` would take their paths:
# the form, what is done to several sweeps, and the notes
_PAGES = (
    login,
    sweep_list,
    compare,
    new_sweep,
    bulk,
    notes,
    setup,
    prediction,
    detail,
    sweep_log,
    shares,
    shared,
    improving,
    known,
    selection,
    manual,
    panel,
    actions,
    exercises,
    workers,
    datasets,
    docs,
    hyperparameters,
    keys,
)

ROUTERS = tuple(page.router for page in _PAGES)
