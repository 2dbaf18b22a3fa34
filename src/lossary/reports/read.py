"""Which arrays of which files are the predictions, the targets, the sample ids and the class names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.classes import as_classes
from lossary.reports.formats.files import open_arrays
from lossary.reports.formats.groups import SEPARATORS
from lossary.reports.formats.record import Record
from lossary.reports.formats.stored import Stored, text_of
from lossary.reports.formats.token_log_probs import KEY as TOKENS
from lossary.reports.formats.token_log_probs import RECORD
from lossary.reports.join import joined

# The usual names, the most telling first. Case and the separators "_", "-", "." and " " do not matter.
PREDICTION_NAMES = ["logits", "logit", "log_probs", "log_prob", "logprobs", "loglikelihoods", "probabilities",
                    "probability", "probs", "prob", "proba", "pred_probs", "y_proba", "y_prob", "y_score", "scores",
                    "score", "predictions", "prediction", "predicted", "preds", "pred", "outputs", "output", "y_pred",
                    "y_hat", "forecast", "oof", "p"]  # fmt: skip
TARGET_NAMES = ["labels", "label", "targets", "target", "y_true", "ground_truth", "truth", "gt", "label_ids",
                "label_id", "y", "y_test", "soft_labels", "soft_targets", "answers", "actual", "true",
                "input_ids"]  # fmt: skip
ID_NAMES = ["ids", "id", "sample_ids", "sample_id", "indices", "index", "idx", "uid", "filenames", "filename", "file",
            "paths", "path", "unnamed0"]  # fmt: skip
ID = re.compile(r".*[a-z0-9]I[dD]|(?i:.*[_\-. ]ids?)")
CLASS_NAMES = ["class_names", "classes", "names", "label_names", "target_names", "categories"]
DECISION = re.compile(
    r"\.?(y_?)?pred(icted|iction|ict)?s?[_ .]?(label|class|category|idx|index)?(_ids?)?|.*argmax.*|scored[_ ]labels?"
)
SPLITS = ["training", "train", "validation", "valid", "val", "dev", "testing", "test", "holdout", "eval"]
SPLIT_NAMES = {"split", "subset", "partition", "set", "phase", "dataset"}
OF_PREDICTIONS = re.compile(r"(?i)sub|pred|oof|out|prob|logit|score")
OF_TARGETS = re.compile(r"(?i)solution|label|truth|target|answer|gt|actual|true")


@dataclass(frozen=True)
class Input:
    """The arrays of a report, still in their files."""

    files: tuple[str, ...]
    predictions: Stored
    targets: Stored
    ids: Stored | None = None
    class_names: tuple[str, ...] = ()
    decisions: Stored | None = None
    of_tokens: bool = False
    record: Record | None = None

    @property
    def bytes(self) -> int:
        in_memory = (a for a in (self.predictions, self.targets) if not self.files)
        if self.record:
            return self.record.bytes
        return sum(map(os.path.getsize, self.files)) + sum(prod(a.shape) * a.dtype.itemsize for a in in_memory)


def open_input(
    paths: Sequence[str | Path],
    *,
    prediction_key: str | None = None,
    target_key: str | None = None,
    names: Sequence[str] | None = None,
    without_targets: bool = False,
) -> Input:
    """Find predictions and targets by the given keys, by the usual names, or by shape and type.

    Targets that are text, or values that the columns are named after, become class indices. without_targets: whether
    log-probabilities of the tokens that occurred will do.
    """
    files = tuple(str(path) for path in paths)
    arrays = open_arrays(files)
    return input_of(arrays, files, prediction_key, target_key, names, without_targets)


def input_of(
    arrays: list[Stored],
    files: tuple[str, ...] = (),
    prediction_key: str | None = None,
    target_key: str | None = None,
    names: Sequence[str] | None = None,
    without_targets: bool = True,
) -> Input:
    """Which of the arrays are what; `files` are those that hold them, if any do."""
    if tokens := [array for array in arrays if is_of_tokens([array])]:
        if not without_targets:
            raise tokens[0].error("log-probabilities of what occurred alone", fix="save the scores of all classes")
        return _of_tokens(files, arrays, tokens)
    _refuse_mixture(arrays)
    ids = [array for array in arrays if _is_id(array)]
    classes = _one(CLASS_NAMES, [array for array in arrays if array.is_text and _plain(array.label) in CLASS_WORDS])
    predictions, targets = _roles(arrays, [a for a in arrays if a not in ids], prediction_key, target_key, files)
    if predictions is targets:
        raise predictions.error("given as predictions and as targets", fix="name another --pred-key or --target-key")
    if names is None and classes and classes is not targets and classes.shape[0] in predictions.shape[1:]:
        names = tuple(str(name) for name in text_of(classes.whole()))
    decisions = next((a for a in arrays if a not in (predictions, targets) and not _is_score(a)
                      and DECISION.fullmatch(a.label.lower())), None)  # fmt: skip
    of_each = _id_of(predictions, ids), _id_of(targets, ids)
    return paired(predictions, targets, files, ids=of_each, names=names, decisions=decisions)


def paired(
    predictions: Stored,
    targets: Stored,
    files: tuple[str, ...] = (),
    *,
    ids: tuple[Stored | None, Stored | None] = (None, None),
    names: Sequence[str] | None = None,
    decisions: Stored | None = None,
) -> Input:
    """Predictions and targets that are known as such; `ids` are those of each."""
    if predictions.is_text:
        raise predictions.error("class names, which are decisions: no loss can say how sure they were",
                                fix="save the scores: predict_proba, or logits")  # fmt: skip
    targets, found = as_classes(targets, predictions, tuple(names or ()))
    targets = joined(predictions, targets, *ids)
    return Input(files, predictions, targets, ids[0] or ids[1], found, decisions)


def input_of_record(record: Record) -> Input:
    """The input of a record: of classes the log-probabilities of the targets, of real values the predictions."""
    name = "prediction" if record.task == "regression" else "log_prob"
    targets = record.column("target", float if record.task == "regression" else int)
    return Input((record.folder,), record.column(name, float), targets, record.ids(), record=record)


def _of_tokens(files: tuple[str, ...], arrays: list[Stored], tokens: list[Stored]) -> Input:
    """Log-probabilities of what occurred: each counts as a yes."""
    if len(files) > 1:
        raise BadInput(
            "log-probabilities of tokens need no other file", file=", ".join(files), fix="report on one at a time"
        )
    predictions = tokens[0]
    occurred = replace(
        predictions,
        dtype=np.dtype(np.int64),
        read=lambda rows: (np.ones(len(b), np.int64) for b in predictions.read(rows)),
    )
    return Input(files, predictions, occurred, next(a for a in arrays if a.key == RECORD), of_tokens=True)


def _roles(
    arrays: list[Stored], free: list[Stored], prediction_key: str | None, target_key: str | None, files: tuple[str, ...]
) -> tuple[Stored, Stored]:
    predictions = _by_key(prediction_key, arrays, "--pred-key", files) if prediction_key else None
    targets = _by_key(target_key, arrays, "--target-key", files) if target_key else None
    if predictions is None and targets is None:
        _refuse_two_reports(free, files)
        if twins := _twins(free, files):
            return twins
    free = [array for array in free if array not in (predictions, targets)]
    if predictions is None:
        predictions = _predictions(free, targets)
        free = [array for array in free if array is not predictions]
    if targets is None:
        targets = _targets(free, predictions)
        free = [array for array in free if array is not targets]
    if predictions is None or targets is None:
        unnamed = [array for array in free if not (array.is_text and _plain(array.label) in CLASS_WORDS)]
        predictions, targets = _by_shape(predictions, targets, unnamed, files)
    return predictions, targets


def _predictions(free: list[Stored], targets: Stored | None) -> Stored | None:
    """Scores before decisions; beside a target of one part of the data, those of that part."""
    split = _split(targets) if targets else ""
    candidates = [array for array in free if not split or _split(array) == split]
    candidates = [array for array in candidates if _plain(array.label) not in TARGET_WORDS]
    scores = [array for array in candidates if _is_score(array)]
    decisions = [array for array in candidates if not _is_score(array)]
    return _one(PREDICTION_NAMES, scores, "--pred-key") or _one(PREDICTION_NAMES, decisions, "--pred-key")


def _targets(free: list[Stored], predictions: Stored | None) -> Stored | None:
    candidates = [array for array in free if not DECISION.fullmatch(array.label.lower())]
    if predictions and (split := _split(predictions)):
        candidates = [array for array in candidates if _split(array) == split] or candidates
    return _one(TARGET_NAMES, candidates, "--target-key")


def _is_score(array: Stored) -> bool:
    return array.dtype.kind in "fV" or (len(array.shape) > 1 and not array.is_text)


def _split(array: Stored) -> str:
    """The part of the data that a name says: `val_logits`, `labels_test`. `y_test` is what many call the targets."""
    words = re.split(r"[_\-. ]", array.label.lower())
    if array.label.lower() == "y_test":
        return ""
    return next((split for split in SPLITS if split in (words[0], words[-1])), "")


def _refuse_mixture(arrays: list[Stored]) -> None:
    """Of rows of training and of testing in one table."""
    for array in arrays:
        parts = [value for value in array.values if value.lower() in SPLITS]
        if array.key.lower() in SPLIT_NAMES and len(parts) > 1:
            raise array.error(
                f"holds rows of {' and '.join(parts)}", fix=f"keep those of one: df[df.{array.key} == {parts[0]!r}]"
            )


def _named(usual: list[str], array: Stored) -> bool:
    return any(_plain(array.label).endswith(_plain(name)) for name in usual if len(name) > 3)


def _is_named_target(array: Stored) -> bool:
    is_decision = DECISION.fullmatch(array.label.lower()) is not None
    return _named(TARGET_NAMES, array) and not _named(PREDICTION_NAMES, array) and not is_decision


def _is_whole(arrays: list[Stored]) -> bool:
    """Whether there are predictions and targets by their names."""
    predicted = any(_named(PREDICTION_NAMES, array) and not array.is_text for array in arrays)
    return predicted and any(map(_is_named_target, arrays))


def _without_ids(arrays: Iterable[Stored]) -> list[Stored]:
    return [array for array in arrays if not _is_id(array) and _plain(array.label) not in CLASS_WORDS]


def are_whole(first: list[Stored], second: list[Stored]) -> bool:
    """Whether two files have predictions and targets each: by their names, or by the names of the targets in tables of
    the same columns."""
    if _is_whole(_without_ids(first)) and _is_whole(_without_ids(second)):
        return True
    free = _without_ids(first), _without_ids(second)
    same = {array.key for array in free[0]} == {array.key for array in free[1]}
    scores = [array for array in free[0] if _is_score(array) and not _is_named_target(array)]
    return same and bool(scores) and any(map(_is_named_target, free[0])) and all(array.table for array in free[0])


def lacks_targets(part: list[Stored], whole: list[Stored]) -> bool:
    """Whether a file holds scores alone, of the kind that another has beside its targets."""
    if not only_scores(part) or not _is_whole(_without_ids(whole)):
        return False
    (scores,) = _without_ids(part)
    return any(_named(PREDICTION_NAMES, array) and array.shape[1:] == scores.shape[1:] for array in whole)


def only_scores(arrays: list[Stored]) -> bool:
    free = _without_ids(arrays)
    return len(free) == 1 and _is_score(free[0]) and not _is_named_target(free[0])


def only_targets(arrays: list[Stored]) -> bool:
    free = _without_ids(arrays)
    return len(free) == 1 and (_is_target_like(free[0]) or _is_named_target(free[0]))


def is_of_tokens(arrays: list[Stored]) -> bool:
    return any(array.key == TOKENS and len(array.shape) == 1 and not array.table for array in arrays)


def _refuse_two_reports(free: list[Stored], files: tuple[str, ...]) -> None:
    """Two parts in a file that have predictions and targets each."""
    parts = sorted({_split(array) for array in free})
    whole = [part for part in parts if _is_whole([array for array in free if _split(array) == part])]
    if len(whole) > 1:
        listed = " and ".join(part or "a part without a name" for part in whole)
        raise BadInput(f"holds predictions and targets of {listed}", file=", ".join(files),
                       fix="--pred-key and --target-key of one of them")  # fmt: skip


def _twins(free: list[Stored], files: tuple[str, ...]) -> tuple[Stored, Stored] | None:
    """Two tables with the same columns, as a submission and its solution have."""
    if len(files) != 2 or any(array.table is None for array in free):
        return None
    first, second = ({a.key: a for a in free if a.file == file} for file in files)
    shared = [key for key in first if key in second]
    if not shared or (len(shared) < len(first) and len(shared) < len(second)):
        return None
    pair = [_side_by_side([of[key] for key in shared]) for of in (first, second)]
    for array, other in (pair, pair[::-1]):
        name, other_name = Path(array.file).stem, Path(other.file).stem
        if _is_target_like(array) and not _is_target_like(other):
            return other, array
        if OF_PREDICTIONS.search(other_name) and OF_TARGETS.search(name) and not OF_TARGETS.search(other_name):
            return other, array
    raise BadInput(
        f"both have {', '.join(shared[:4])}, and which are the predictions is unclear",
        file=", ".join(files),
        fix="name the files predictions and labels; to compare two models, --targets FILE",
    )


def _is_target_like(array: Stored) -> bool:
    return array.is_integer or array.is_text


def _side_by_side(arrays: list[Stored]) -> Stored:
    if len(arrays) == 1:
        return arrays[0]
    members = [array.key for array in arrays]
    table = arrays[0].table
    return table.array(members, ",".join(members), tuple(members)) if table else arrays[0]


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


CLASS_WORDS = {_plain(name) for name in CLASS_NAMES}
TARGET_WORDS = {_plain(name) for name in TARGET_NAMES}
ID_WORDS = {_plain(name) for name in ID_NAMES}


def _is_id(array: Stored) -> bool:
    plain = _plain(array.label) if array.key or not array.table else ""
    if plain in TARGET_WORDS or len(array.shape) != 1:
        return False
    if array.table and not array.key and array.table.has_header:
        return True  # the index that pandas writes without a name
    return plain in ID_WORDS or ID.fullmatch(array.label) is not None


def _id_of(array: Stored, ids: list[Stored]) -> Stored | None:
    """The ids of the file of an array; one that has a name first."""
    own = [of for of in ids if of.file == array.file]
    return next((of for of in own if of.key and _plain(of.key) != "unnamed0"), own[0] if own else None)


def _one(usual: list[str], arrays: list[Stored], flag: str = "") -> Stored | None:
    """The array with the most telling usual name; `val_logits` counts as `logits`."""
    for name in usual:
        exact = [array for array in arrays if _plain(array.label) == _plain(name)]
        longer = len(name) > 3
        ending = [array for array in arrays if longer and _plain(array.label).endswith(_plain(name))]
        for found in (exact, ending):
            if len(found) > 1 and flag:
                where = sorted({array.file for array in found})
                raise BadInput(f"several arrays could be the {name}", file=", ".join(where),
                               fix=f"{flag} one of {_listing(found)}")  # fmt: skip
            if found:
                return found[0]
    return None


def _by_key(key: str, arrays: list[Stored], flag: str, files: tuple[str, ...]) -> Stored:
    """The array of a key; or columns, of several names and patterns such as `ham,spam` and `prob_*`."""
    exact = [array for array in arrays if key in (array.key, array.label, array.file)]
    if len({array.file for array in exact}) > 1:
        raise BadInput(f"{key!r} is in {len(exact)} files", file=", ".join(files), fix="give the name of the file too")
    if exact:
        return exact[0]
    patterns = [part.strip() for part in key.split(",")]
    for table in dict.fromkeys(array.table for array in arrays if array.table):
        members = [name for pattern in patterns for name in table.names if fnmatchcase(name, pattern)]
        if members and all(any(fnmatchcase(name, pattern) for name in members) for pattern in patterns):
            return table.array(members, key, _names_of(members))
    matching = [array for array in arrays if any(fnmatchcase(array.label, pattern) for pattern in patterns)]
    if len(matching) == 1:
        return matching[0]
    raise BadInput("not in the file", file=", ".join(files), key=key, fix=f"{flag} one of {_listing(arrays)}")


def _names_of(members: list[str]) -> tuple[str, ...]:
    """What tells columns apart: their names without the words that all begin or end with."""
    if len(members) < 2:
        return ()
    before, after = _shared_start(members), _shared_start([name[::-1] for name in members])[::-1]
    start = max((before.rfind(mark) for mark in SEPARATORS), default=-1) + 1
    ends = [at for mark in SEPARATORS if (at := after.find(mark)) >= 0]
    end = len(after) - min(ends) if ends else 0
    names = tuple(name[start : len(name) - end] for name in members)
    return () if names == tuple(str(k) for k in range(len(names))) else names


def _shared_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    return first[: next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _by_shape(
    predictions: Stored | None, targets: Stored | None, free: list[Stored], files: tuple[str, ...]
) -> tuple[Stored, Stored]:
    if predictions and not targets:
        rows = [array for array in free if array.shape[:1] == predictions.shape[:1]]
        like = [array for array in rows if _is_target_like(array)]
        for candidates in (free, rows, like):
            if len(candidates) == 1:
                return predictions, candidates[0]
    if targets and not predictions:
        rows = [array for array in free if array.shape[:1] == targets.shape[:1]]
        scores = [array for array in rows if array.dtype.kind in "fV"]
        wide = [array for array in scores if len(array.shape) > 1]
        for candidates in (free, rows, wide, scores):
            if len(candidates) == 1:
                return candidates[0], targets
    if not predictions and not targets and len(free) == 2:
        first, second = free
        swapped = (len(first.shape), not _is_target_like(first)) < (len(second.shape), not _is_target_like(second))
        return (second, first) if swapped else (first, second)
    if any(array.table and not array.table.has_header for array in free):
        raise BadInput(
            "the first line holds numbers, not column names",
            file=", ".join(files),
            fix="add a header such as p_0,p_1,p_2,label, or save scores and labels in two files",
        )
    known = predictions or targets
    missing = "predictions" if targets else "targets" if predictions else "predictions and targets"
    flags = {"predictions": "--pred-key", "targets": "--target-key"}.get(missing, "--pred-key and --target-key")
    if not free:
        fix = "give both files: lossary report logits.npy labels.npy" if len(files) == 1 else "save both arrays"
        raise BadInput(f"no {missing} beside {_listing([known] if known else [])}", file=", ".join(files), fix=fix)
    raise BadInput(
        f"cannot tell which arrays are the {missing}", file=", ".join(files), fix=f"{flags} from {_listing(free)}"
    )


def _listing(arrays: list[Stored]) -> str:
    shown = [f"{array.label} {array.shape}" for array in arrays[:8]]
    return ", ".join(shown) + (f" and {len(arrays) - 8} more" if len(arrays) > 8 else "")
