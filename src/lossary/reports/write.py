"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import stat
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


def refuse_place(path: str | Path, inputs: Sequence[str | Path]) -> None:
    """Raise `BadInput` where a page cannot be written, or would take the place of a file that it is about."""
    path = Path(path)
    try:
        taken = stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        taken = False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"cannot be written ({reason})", file=str(path), fix="say --out elsewhere") from None
    if taken or not path.parent.is_dir():
        what = "is a folder" if taken else "is in no folder that exists"
        raise BadInput(f"the page {what}", file=str(path), fix="say --out elsewhere")
    for file in inputs:
        if path.exists() and os.path.exists(file) and os.path.samefile(path, file):
            raise BadInput("the page would overwrite the input", file=str(file), fix="say --out elsewhere")
