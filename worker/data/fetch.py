"""Fetches a data set onto this machine and shows how far the download is."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from app.errors import StartError
from worker.data import datasets
from worker.data.idx_files import DatasetError


def fetch(home: Path, name: str = "fashion_mnist") -> None:
    """Finds, or downloads, and checks the data set. Raises StartError with a sentence that says what to do."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            tasks = {}

            def show(file: str, received: int, total: int) -> None:
                if file not in tasks:
                    tasks[file] = bars.add_task(file, total=total or None)
                    if not console.is_terminal:
                        console.print(f"downloading {file}")
                bars.update(tasks[file], completed=received, total=total or None)

            folder = datasets.ensure(name, home, progress=show)
    except DatasetError as error:
        raise StartError(str(error)) from None
    console.print(f"{name}: {folder}", highlight=False, soft_wrap=True)
