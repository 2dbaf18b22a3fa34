"""Which arrays of which files are the predictions, the targets, the sample ids and the class names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossary.report.bad_input import BadInput
from lossary.report.formats.csv_table import open_csv
from lossary.report.formats.npy import open_npy, open_npz
from lossary.report.formats.parquet import open_parquet
from lossary.report.formats.safetensors import open_safetensors
from lossary.report.formats.stored import Stored, text_of

OPENERS: dict[str, Callable[[str], list[Stored]]] = {
    ".npz": open_npz,
    ".npy": open_npy,
    ".safetensors": open_safetensors,
    ".csv": open_csv,
    ".tsv": open_csv,
    ".parquet": open_parquet,
}
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib"}

# The usual names, the most telling first. Case and the separators "_", "-", "." and " " do not matter.
PREDICTION_NAMES = ["logits", "logit", "log_probs", "log_prob", "logprobs", "probabilities", "probability", "probs",
                    "prob", "proba", "pred_probs", "y_proba", "y_prob", "y_score", "scores", "score", "predictions",
                    "prediction", "preds", "pred", "outputs", "output", "y_pred", "y_hat", "forecast", "p"]  # fmt: skip
TARGET_NAMES = ["labels", "label", "targets", "target", "y_true", "ground_truth", "truth", "gt", "label_ids",
                "label_id", "y", "y_test", "soft_labels", "soft_targets", "answers", "actual", "true"]  # fmt: skip
ID_NAMES = ["ids", "id", "sample_ids", "sample_id", "indices", "index", "idx", "uid", "filenames", "filename",
            "paths", "path"]  # fmt: skip
CLASS_NAMES = ["class_names", "classes", "names", "label_names", "target_names", "categories"]


@dataclass(frozen=True)
class Input:
    """The arrays of a report, still in their files."""

    files: tuple[str, ...]
    predictions: Stored
    targets: Stored
    ids: Stored | None = None
    class_names: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(os.path.getsize(file) for file in self.files)


def open_input(
    paths: Sequence[str | Path],
    *,
    prediction_key: str | None = None,
    target_key: str | None = None,
    names: Sequence[str] | None = None,
) -> Input:
    """Find predictions and targets by the given keys, by the usual names, or by shape and type."""
    files = tuple(str(path) for path in paths)
    arrays = open_arrays(files)
    free = list(arrays)

    def take(found: Stored | None) -> Stored | None:
        if found in free:
            free.remove(found)
        return found

    ids = take(_by_name(ID_NAMES, free))
    by_key = _by_key(target_key, arrays, "--target-key", files) if target_key else None
    targets = take(by_key or _by_name(TARGET_NAMES, free))
    by_key = _by_key(prediction_key, arrays, "--pred-key", files) if prediction_key else None
    predictions = take(by_key or _by_name(PREDICTION_NAMES, free))
    if predictions is None or targets is None:
        unnamed = [array for array in free if not (array.is_text and _by_name(CLASS_NAMES, [array]))]
        predictions, targets = _by_shape(predictions, targets, unnamed, files)
    classes = take(_by_name(CLASS_NAMES, free))
    if names is None and classes and classes.is_text and classes.shape[0] in predictions.shape[1:]:
        names = tuple(str(name) for name in text_of(classes.whole()))
    return Input(files, predictions, targets, ids, tuple(names or predictions.columns))


def open_arrays(paths: Sequence[str | Path]) -> list[Stored]:
    """All arrays of the files, still in them."""
    return [array for path in paths for array in _open(str(path))]


def _open(path: str) -> list[Stored]:
    suffix = Path(path).suffix.lower()
    if suffix in PICKLES:
        raise BadInput(
            "a pickle runs whatever code it holds when it is opened; it is not read",
            file=path,
            fix="numpy.savez('predictions.npz', logits=logits.float().numpy(), labels=labels.numpy())",
        )
    if suffix not in OPENERS:
        raise BadInput(
            f"the suffix {suffix!r} is not one that is read ({', '.join(OPENERS)})", file=path, fix="save it as .npz"
        )
    try:
        with open(path, "rb") as stream:
            start = stream.read(2)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", file=path, fix="check the path") from None
    if not start:
        raise BadInput("the file is empty", file=path, fix="was it written to the end?")
    if start[0] == 0x80 and suffix not in {".csv", ".tsv", ".safetensors"}:  # the opcode that begins a pickle
        raise BadInput("the file is a pickle; it is not read", file=path, fix="save it again with numpy.savez")
    arrays = OPENERS[suffix](path)
    if not arrays:
        raise BadInput("holds no arrays", file=path, fix="numpy.savez(path, logits=..., labels=...)")
    return arrays


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _label(array: Stored) -> str:
    return array.key or Path(array.file).stem


def _by_name(usual: list[str], arrays: list[Stored]) -> Stored | None:
    """The array with the most telling usual name; `val_logits` counts as `logits`."""
    for name in usual:
        exact = [array for array in arrays if _plain(_label(array)) == _plain(name)]
        if exact:
            return exact[0]
    for name in (name for name in usual if len(name) > 3):
        ending = [array for array in arrays if _plain(_label(array)).endswith(_plain(name))]
        if len(ending) == 1:
            return ending[0]
    return None


def _by_key(key: str, arrays: list[Stored], flag: str, files: tuple[str, ...]) -> Stored:
    for array in arrays:
        if key in (array.key, _label(array), array.file):
            return array
    raise BadInput("not in the file", file=", ".join(files), key=key, fix=f"{flag} one of {_listing(arrays)}")


def _by_shape(
    predictions: Stored | None, targets: Stored | None, free: list[Stored], files: tuple[str, ...]
) -> tuple[Stored, Stored]:
    known = predictions or targets
    if known and len(free) == 1:
        return (known, free[0]) if predictions else (free[0], known)
    if not known and len(free) == 2:
        first, second = free
        swapped = (len(first.shape), not first.is_integer) < (len(second.shape), not second.is_integer)
        return (second, first) if swapped else (first, second)
    missing = "predictions" if targets else "targets" if predictions else "predictions and targets"
    flags = {"predictions": "--pred-key", "targets": "--target-key"}.get(missing, "--pred-key and --target-key")
    if not free:
        fix = "give both files: lossary report logits.npy labels.npy" if len(files) == 1 else "save both arrays"
        raise BadInput(f"no {missing} beside {_listing([known] if known else [])}", file=", ".join(files), fix=fix)
    raise BadInput(
        f"cannot tell which arrays are the {missing}", file=", ".join(files), fix=f"{flags} from {_listing(free)}"
    )


def _listing(arrays: list[Stored]) -> str:
    shown = [f"{_label(array)} {array.shape}" for array in arrays[:8]]
    return ", ".join(shown) + (f" and {len(arrays) - 8} more" if len(arrays) > 8 else "")
