"""The form of a new sweep, filled in."""

from app.web.pages.new_sweep.form import EXAMPLE

FORM = {**EXAMPLE, "dataset": "digits", "epochs": "2"}
