"""The task and its circumstances, as saved predictions and targets show them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.chunk import Chunk, chunks
from lossary.reports.formats.files import open_arrays
from lossary.reports.read import open_input
from lossary.reports.understand import Understanding, understand
from lossary.translations import Language, translate

UNEVEN = 10
"""A class with so many times fewer samples than another is rare."""
FEW = 0.05
"""The share of true labels below which they are few."""
ORDERS = 100
"""Positive targets whose largest is so many times their smallest span orders of magnitude."""
FAR, HEAVY = 4, 0.005
"""Tails are heavy where more than this share of residuals lies beyond so many deviations; of Gaussian noise 6e-5 do."""
ROWS = 2**20

WORDS = {
    "classes": "{classes} classes in {rows} targets, the rarest {least} times and the most frequent {most} times",
    "soft": "each row of targets adds up to 1",
    "log-probabilities": "each row of predictions adds up to 1 after exp",
    "two-outputs": "two scores for each label",
    "probabilities": "predictions lie between 0 and 1",
    "signs": "targets are -1 and 1",
    "yes": "{share:.2%} of the targets are a yes",
    "counts": "targets are whole numbers from {least:g} to {most:g}",
    "positive": "targets go from {least:.3g} to {most:.3g}",
    "outliers": "{share:.2%} of the residuals lie beyond 4 deviations of {deviation:.3g}, of Gaussian noise 0.006%: "
    "delta = {delta:.3g}",
}


@dataclass
class Seen:
    """The task that data show, and what of each circumstance was seen."""

    task: str
    read: str = ""
    circumstances: dict[str, str] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)


def look(
    files: Sequence[str | Path],
    *,
    prediction_key: str | None = None,
    target_key: str | None = None,
    language: Language = "en",
) -> Seen:
    """Read predictions and targets, or targets alone, as `lossary report` reads them."""
    arrays = [array for array in open_arrays([str(file) for file in files]) if not array.is_text]
    if len(arrays) == 1:
        arrays[0].require_numbers()
        found = _of_targets(next(arrays[0].blocks(ROWS), np.zeros(0)), _Notes(language))
        found.read = f"{Path(arrays[0].file).name}, {' × '.join(map(str, arrays[0].shape))}"
        return found
    source = open_input(files, prediction_key=prediction_key, target_key=target_key, without_targets=True)
    understood = understand(source)
    chunk = next(chunks(understood), None)
    if chunk is None:
        raise understood.input.targets.error("every target is ignored", fix="save targets that count")
    found = _of_both(understood, chunk, _Notes(language))
    found.read = understood.text
    return found


class _Notes:
    """What was seen, in a language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, word: str, **numbers: float) -> str:
        return translate(WORDS[word], self.language).format(**numbers)


def _of_both(understood: Understanding, chunk: Chunk, note: _Notes) -> Seen:
    target = np.asarray(chunk.target)
    match understood.task:
        case "regression":
            seen = _numbers(target, note)
            return _residuals(seen, np.asarray(chunk.scores, np.float64) - target, note)
        case "binary":
            seen = _signs(_yes_or_no(target, note), not understood.survey.targets_are_01, note)
            if understood.kind == "probs":
                seen.circumstances["probabilities"] = note("probabilities")
            return seen
        case "multilabel":
            return _labels(target, note)
        case "soft":
            seen = Seen("classification", circumstances={"soft": note("soft")})
        case "classification":
            seen = _classes(understood.survey.counts if understood.survey.counts.size else _count(target), note)
            if understood.classes == 2:
                seen.task = "binary"
                seen.circumstances["two-outputs"] = note("two-outputs")
        case "recorded":
            seen = _classes(_count(target), note)
        case "tokens":
            return Seen("language-model", circumstances={})
    if understood.kind == "logprobs":
        seen.circumstances["log-probabilities"] = note("log-probabilities")
    return seen


def _of_targets(target: np.ndarray, note: _Notes) -> Seen:
    if not target.size:
        raise BadInput("no targets", fix="save at least one")
    values = np.unique(target)
    if target.ndim == 2 and target.shape[1] > 1 and values[0] >= 0 and np.allclose(target.sum(axis=1), 1, atol=0.01):
        one_hot = np.isin(values, (0, 1)).all()
        return (
            _classes(_count(target.argmax(1)), note) if one_hot else Seen("classification", "", {"soft": note("soft")})
        )
    if np.isin(values, (0, 1)).all() or np.isin(values, (-1, 1)).all():
        if target.ndim == 2 and target.shape[1] > 1:
            return _labels(target, note)
        return _signs(_yes_or_no(target, note), bool(values[0] < 0), note)
    if target.dtype.kind in "iu" and values[0] >= 0 and values.size == values[-1] + 1:
        return _classes(_count(target), note)
    return _numbers(target, note)


def _count(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel()[labels.ravel() >= 0].astype(np.int64))


def _classes(counts: np.ndarray, note: _Notes) -> Seen:
    least, most = int(counts.min()), int(counts.max())
    said = note("classes", classes=len(counts), rows=int(counts.sum()), least=least, most=most)
    uneven = most >= UNEVEN * max(least, 1)
    return Seen("classification", circumstances={"imbalance": said} if uneven else {}, also=[] if uneven else [said])


def _yes_or_no(target: np.ndarray, note: _Notes) -> Seen:
    share = float((target > 0).mean())
    said = note("yes", share=share)
    rare = min(share, 1 - share) * (UNEVEN + 1) <= 1
    seen = Seen("binary", circumstances={"imbalance": said} if rare else {}, also=[] if rare else [said])
    return seen


def _signs(seen: Seen, are_signs: bool, note: _Notes) -> Seen:
    if are_signs:
        seen.circumstances["signs"] = note("signs")
    return seen


def _labels(target: np.ndarray, note: _Notes) -> Seen:
    share = float((target > 0).mean())
    said = note("yes", share=share)
    return Seen("multilabel", circumstances={"few": said} if share < FEW else {}, also=[] if share < FEW else [said])


def _numbers(target: np.ndarray, note: _Notes) -> Seen:
    least, most = float(target.min()), float(target.max())
    seen = Seen("regression")
    if least >= 0 and np.all(target == np.rint(target)):
        seen.circumstances["counts"] = note("counts", least=least, most=most)
    elif least > 0 and most >= ORDERS * least:
        seen.circumstances["positive"] = note("positive", least=least, most=most)
    return seen


def _residuals(seen: Seen, residuals: np.ndarray, note: _Notes) -> Seen:
    deviation = 1.4826 * float(np.median(abs(residuals - np.median(residuals))))
    share = float((abs(residuals) > FAR * deviation).mean())
    if deviation and share > HEAVY:
        seen.circumstances["outliers"] = note("outliers", share=share, deviation=deviation, delta=1.345 * deviation)
    return seen
