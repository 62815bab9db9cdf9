"""The tasks that run behind the answers: whether each is still alive."""

from collections.abc import Callable


class Background:
    """Tasks by what they do, each with a way to ask whether it lives."""

    def __init__(self) -> None:
        self._tasks: dict[str, Callable[[], bool]] = {}

    def watch(self, name: str, is_alive: Callable[[], bool]) -> None:
        """From now on this task should be alive."""
        self._tasks[name] = is_alive

    def forget(self) -> None:
        """The server ends: its tasks may."""
        self._tasks.clear()

    def states(self) -> dict[str, bool]:
        """Whether each task lives, by name."""
        return {name: is_alive() for name, is_alive in list(self._tasks.items())}

    def dead(self) -> list[str]:
        """The names of the tasks that have died."""
        return [name for name, is_alive in self.states().items() if not is_alive]
