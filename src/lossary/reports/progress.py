"""A progress bar on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lossary.core.extras import MissingExtra

LARGE = 64 * 2**20  # bytes of input; less is done before a bar would be read


def size_of(paths: Sequence[str | Path]) -> int:
    """Bytes of the files that are there."""
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


@contextmanager
def progress_bar(description: str, total: int | None, size: int, show: bool | None) -> Iterator[Callable[[int], None]]:
    """Yields the function that advances the bar, which only moves where the total is None.

    show: True always, False never, None for inputs of many bytes when stderr is a terminal.
    """
    if show is None:
        show = size > LARGE and sys.stderr.isatty()
    if not show:
        yield lambda count: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        raise MissingExtra("rich", "cli", "a progress bar") from None
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, force_terminal=True)
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.update(task, advance=count)
