"""A record of an evaluation whose logits are too many to keep: of each target its loss, and how sure a model was."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import numpy as np
from numpy.lib import format as npy

from lossary.core.arrays import Array, cast, detach, is_torch, namespace
from lossary.log_probs import log_prob

FORMAT = 1
META = "meta.json"
DTYPES = {
    "classification": np.dtype(
        [("log_prob", "<f4"), ("top_log_prob", "<f4"), ("entropy", "<f4"), ("lse", "<f4"), ("target", "<i4"),
         ("predicted", "<i4"), ("sample", "<u4"), ("place", "<u4")]
    ),
    "regression": np.dtype([("prediction", "<f8"), ("target", "<f8"), ("sample", "<u4"), ("place", "<u4")]),
}  # fmt: skip
"""Of a unit, in the file. A yes or no is a classification of two."""

Task = Literal["classification", "binary", "regression"]


class Recorder:
    """Writes what a report needs of each target while a model is evaluated, from logits that nobody keeps.

    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with Recorder(f"{folder}/run.lossary") as record:
    ...     for _ in range(3):
    ...         record(np.zeros((4, 10)), np.arange(4))
    >>> from lossary.reports import report
    >>> round(report(f"{folder}/run.lossary")["losses"].values["cross_entropy"]["mean"], 6)  # log 10
    2.302585

    `record(logits, targets, ids)`: arrays of torch (on any device, with or without gradients, of which none is kept),
    NumPy or JAX. Logits (N, C), (N, C, d1, ...) or (B, L, V), with class indices of that shape without the classes;
    where two axes fit, the last one holds the classes. Real values with targets of their shape; one logit for a yes or
    no with `task="binary"`. ids: one for each of N, numbers or words; by them two records are compared. Targets that
    are `ignore_index` are left out.

    Of each target: log p of it (the loss is its negative), log of the largest p, the predicted class, the entropy, the
    log-sum-exp, the target, its sample and the place within: 32 bytes, beside the ids; 24 of real values.
    `lossary report run.lossary` reads it, `lossary report a.lossary b.lossary` compares two.

    The record is a folder. Each process writes files of its own in it, named after its rank and number, and each call
    adds whole rows: of a process that is killed all calls that returned are read. `numpy.load` reads a file as a
    structured array. Recording into a folder that exists adds to it; begin another evaluation in another folder.

    path: of the folder. task: "classification", "binary" or "regression"; guessed from the shapes.
    rank: of this process; None takes it from the environment (RANK), where a launcher has set it.
    """

    def __init__(
        self, path: str | Path, *, task: Task | None = None, ignore_index: int | None = -100, rank: int | None = None
    ) -> None:
        if task is not None and task not in ("classification", "binary", "regression"):
            raise ValueError(f"task {task!r} is unknown: one of classification, binary, regression")
        self.path, self.task, self.ignore_index = Path(path), task, ignore_index
        self.rank = int(os.environ.get("RANK", 0)) if rank is None else rank
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file, and a record is a folder: choose another name")
        self._units: BinaryIO | None = None
        self._ids: TextIO | None = None
        self._dtype = DTYPES["classification"]
        self._count = self._samples = 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; another call opens new ones beside them."""
        for file in (self._units, self._ids):
            if file is not None:
                file.close()
        self._units = self._ids = None

    def __call__(self, predictions: Array, targets: Array, ids: Sequence[object] | Array | None = None) -> None:
        predictions, targets = (detach(x) if is_torch(x) else x for x in (predictions, targets))
        task = self.task or _guessed(tuple(predictions.shape), targets)
        if task == "regression":
            rows, classes = _values(predictions, targets), 0
        else:
            rows, classes = _statistics(predictions, targets, task, self.ignore_index)
        samples = len(targets)
        named = None if ids is None else _words(ids, samples)
        if self._units is None:
            self._open(task, classes, named is not None)
        elif (classes, task) != self._meta:
            raise ValueError(f"{task} of {classes} classes, and the record is {self._meta[1]} of {self._meta[0]}")
        if (named is None) != (self._ids is None):
            raise ValueError("ids came with some batches and not with others: give them with every one, or with none")
        if named is not None and self._ids is not None:
            self._ids.writelines(f"{json.dumps(name)}\n" for name in named)
            self._ids.flush()
        rows["sample"] += self._samples
        self._samples += samples
        self._write(rows)

    def _open(self, task: str, classes: int, has_ids: bool) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._meta, self._dtype = (classes, task), DTYPES["regression" if task == "regression" else "classification"]
        _agree(self.path / META, {"lossary_record": FORMAT, "task": task, "classes": classes})
        part = len(list(self.path.glob(f"rank-{self.rank:05d}-*.npy")))
        name = f"rank-{self.rank:05d}-{part:03d}-{os.getpid()}"
        self._units = open(self.path / f"{name}.npy", "xb", buffering=0)  # noqa: SIM115
        if has_ids:
            self._ids = open(self.path / f"{name}.ids", "x", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._count = self._samples = 0
        self._write_header()

    def _write(self, rows: np.ndarray) -> None:
        """The rows, and then the header that counts them: it never counts what is not there."""
        assert self._units is not None
        self._units.seek(0, os.SEEK_END)
        self._units.write(rows.tobytes())
        self._count += len(rows)
        self._write_header()

    def _write_header(self) -> None:
        """Of the same length for any count: NumPy leaves room for it to grow."""
        assert self._units is not None
        self._units.seek(0)
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._count,)}
        npy.write_array_header_1_0(self._units, header)


def _agree(path: Path, meta: dict[str, Any]) -> None:
    """Write the description of a record, or find the same."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if not path.exists():
        temporary.write_text(json.dumps(meta), encoding="utf-8")
        os.replace(temporary, path)
    found = json.loads(path.read_text(encoding="utf-8"))
    if found != meta:
        raise ValueError(f"{path.parent} is a record of {found}, not of {meta}: record into another folder")


def _guessed(shape: tuple[int, ...], targets: Array) -> str:
    if tuple(targets.shape) != shape:
        return "classification"
    if len(shape) == 1 and "float" in str(targets.dtype):
        return "regression"
    raise ValueError(f'predictions and targets are both {shape}: say task="binary" or task="regression"')


def _class_axis(shape: tuple[int, ...], target_shape: tuple[int, ...]) -> int:
    for axis in (len(shape) - 1, 1):
        if len(shape) > 1 and (*shape[:axis], *shape[axis + 1 :]) == target_shape:
            return axis
    raise ValueError(
        f"logits {shape} and targets {target_shape} do not fit: (N, C) with (N,), (N, C, d) with (N, d) or (B, L, V) "
        "with (B, L)"
    )


def _statistics(logits: Array, targets: Array, task: str, ignore_index: int | None) -> tuple[np.ndarray, int]:
    """The rows of targets that count, with samples from 0 on, and the number of classes."""
    xp, shape = namespace(logits), tuple(targets.shape)
    if task == "binary":
        flat = xp.reshape(logits, (-1,))
        logits, targets = xp.stack([xp.zeros_like(flat), flat], axis=-1), xp.reshape(targets, (-1,))
    axis = _class_axis(tuple(logits.shape), tuple(targets.shape))
    if axis > 1:
        logits, targets, axis = xp.reshape(logits, (-1, logits.shape[-1])), xp.reshape(targets, (-1,)), 1
    if task == "binary":
        targets = cast(targets, xp.int32)
    found = log_prob(logits, targets, ignore_index=ignore_index)
    top = cast(xp.max(logits, axis=axis), found.lse.dtype) - found.lse
    label = _host(targets).ravel()
    kept = np.flatnonzero(label != ignore_index if ignore_index is not None else np.ones(label.shape, bool))
    rows = _empty(DTYPES["classification"], kept, shape)
    for name, x in (("log_prob", found.log_prob), ("top_log_prob", top), ("entropy", found.entropy), ("lse", found.lse),
                    ("predicted", found.predicted)):  # fmt: skip
        rows[name] = _host(x).ravel()[kept]
    rows["target"] = label[kept]
    return rows, int(logits.shape[axis])


def _values(predictions: Array, targets: Array) -> np.ndarray:
    if tuple(predictions.shape) != tuple(targets.shape):
        raise ValueError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} differ")
    shape = tuple(targets.shape)
    flat = [np.asarray(_host(x), np.float64).ravel() for x in (predictions, targets)]
    rows = _empty(DTYPES["regression"], np.arange(flat[0].size), shape)
    rows["prediction"], rows["target"] = flat
    return rows


def _host(x: Any) -> np.ndarray:
    if is_torch(x):
        x = x.cpu()
        x = x.float() if x.dtype.itemsize < 4 and x.is_floating_point() else x
        return x.numpy()
    return np.asarray(x)


def _empty(dtype: np.dtype, kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of the units `kept` of targets of a shape, with their samples and places."""
    each = int(np.prod(shape[1:], dtype=np.int64))
    rows = np.zeros(kept.size, dtype)
    rows["sample"], rows["place"] = kept // max(1, each), kept % max(1, each)
    return rows


def _words(ids: Sequence[object] | Array, samples: int) -> list[object]:
    words: list[object] = list(_host(ids).tolist() if hasattr(ids, "shape") else ids)
    if len(words) != samples:
        raise ValueError(f"{len(words):,} ids for {samples:,} samples: give one for each")
    return [word if isinstance(word, int) else str(word) for word in words]
