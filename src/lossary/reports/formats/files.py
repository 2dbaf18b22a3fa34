"""Opening files by their suffix: the arrays that they hold, still in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.npy import open_npy, open_npz
from lossary.reports.formats.rows import COMPRESSED, SOURCES, json_records, refusing, row_suffix
from lossary.reports.formats.safetensors import open_safetensors
from lossary.reports.formats.stored import MOST_LETTERS, Stored
from lossary.reports.formats.table import Table
from lossary.reports.formats.token_log_probs import open_token_log_probs
from lossary.reports.formats.torch_file import open_torch

OPENERS: dict[str, Callable[[str], list[Stored]]] = {
    ".npz": open_npz,
    ".npy": open_npy,
    ".safetensors": open_safetensors,
    ".pt": open_torch,
    ".pth": open_torch,
    **dict.fromkeys(SOURCES, lambda path: Table(path).arrays()),
    **dict.fromkeys((".jsonl", ".ndjson"), lambda path: _open_json_lines(path)),
}
BINARY = {".npz", ".npy", ".parquet"}  # which do not begin with the byte that begins a pickle
PICKLES = {".pkl", ".pickle", ".bin", ".joblib"}
ELSEWHERE = {
    ".h5": "h5py", ".hdf5": "h5py", ".mat": "scipy.io.loadmat", ".xls": "pandas.read_excel",
    ".rds": "R's readRDS and write.csv", ".zip": "unzip", ".tar": "tar",
}  # fmt: skip


def _open_json_lines(path: str) -> list[Stored]:
    with refusing(path):
        return open_token_log_probs(path, partial(json_records, path)) or Table(path).arrays()


def is_file(name: str) -> bool:
    """Whether a word of the command line is a file, and not what else it could be."""
    return row_suffix(name) in OPENERS or Path(name).exists()


def open_arrays(paths: Sequence[str | Path]) -> list[Stored]:
    """All arrays of the files, still in them."""
    return [array for path in paths for array in _open(str(path))]


def _open(path: str) -> list[Stored]:
    suffix = row_suffix(path)
    if suffix in PICKLES:
        raise BadInput(
            "a pickle runs whatever code it holds when it is opened; it is not read",
            file=path,
            fix="numpy.savez('predictions.npz', logits=logits, labels=labels)",
        )
    start = b""
    try:
        is_regular = stat.S_ISREG(os.stat(path).st_mode)
        if is_regular:
            with open(path, "rb") as stream:
                start = stream.read(1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"cannot be read ({reason})", file=path, fix="check the path") from None
    if not is_regular:
        raise BadInput("not a regular file, and it is read more than once", file=path, fix="save it to a file first")
    if suffix not in OPENERS or (suffix not in SOURCES and Path(path).suffix.lower() in COMPRESSED):
        fix = f"open it with {ELSEWHERE[suffix]} and save it as .npz" if suffix in ELSEWHERE else "save it as .npz"
        raise BadInput(
            f"the suffix {Path(path).suffix!r} is not one that is read ({', '.join(OPENERS)})", file=path, fix=fix
        )
    if not start:
        raise BadInput("the file is empty", file=path, fix="was it written to the end?")
    if suffix in BINARY and start[0] == 0x80:
        raise BadInput("the file is a pickle; it is not read", file=path, fix="save it again with numpy.savez")
    arrays = OPENERS[suffix](path)
    if not arrays:
        raise BadInput("holds no arrays", file=path, fix="numpy.savez(path, logits=..., labels=...)")
    if (longest := max(0 if array.table else len(array.key) for array in arrays)) > MOST_LETTERS:
        raise BadInput(f"an array whose name has {longest:,} letters", file=path, fix=f"at most {MOST_LETTERS:,}")
    return arrays
