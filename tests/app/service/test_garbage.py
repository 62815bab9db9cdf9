"""What pictures leave behind is found, however rarely a server looks for garbage."""

import subprocess
import sys

DRAW = """
import weakref
from app.service.up import collect_garbage_rarely

class Figure:
    def __init__(self):
        self.parts = [[] for _ in range(50_000)]
        self.itself = self

collect_garbage_rarely()
drawn, drawing = [], []
for _ in range(500):
    drawing = [Figure(), *drawing[:3]]
    drawn.append(weakref.ref(drawing[0]))
print(sum(figure() is not None for figure in drawn))
"""


def test_garbage_of_figures_is_found_though_it_was_in_use_while_others_were_drawn() -> None:
    """Four are drawn at a time, which refer to themselves: those that a look for garbage met in use go with a later."""
    run = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 40
