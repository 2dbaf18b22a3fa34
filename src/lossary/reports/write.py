"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lossary.reports.bad_input import BadInput


def write_whole(path: str | Path, text: str) -> None:
    """Write `text` beside `path` and then put it in its place, so that nobody ever sees half of it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"cannot be written ({error.strerror})", file=str(path), fix="say --out elsewhere") from None


def refuse_overwriting(path: str | Path, inputs: Sequence[str | Path]) -> None:
    """Raise `BadInput` where a page would take the place of a file that it is about."""
    for file in inputs:
        if os.path.exists(path) and os.path.exists(file) and os.path.samefile(path, file):
            raise BadInput("the page would overwrite the input", file=str(file), fix="say --out elsewhere")
