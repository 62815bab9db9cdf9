"""The routers of the dashboard, in the order in which their paths are looked up."""

from app.web.pages import actions, datasets, exercises, login, sweep_list, workers
from app.web.pages.new_sweep import page as new_sweep
from app.web.pages.sweep import detail

# the form before a sweep's page: `/sweeps/{sweep_id}` would take `/sweeps/new`
_PAGES = (login, sweep_list, new_sweep, detail, actions, exercises, workers, datasets)

ROUTERS = tuple(page.router for page in _PAGES)
