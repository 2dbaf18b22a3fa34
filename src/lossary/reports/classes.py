"""Targets that are words, or values that the columns are named after, as class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from lossary.reports.formats.stored import Stored, text_of
from lossary.translations import join, say

YES = {"yes", "y", "true", "t", "positive", "pos", "on", "1"}
NO = {"no", "n", "false", "f", "negative", "neg", "off", "0"}
MOST = 10_000  # different words that can be classes


def as_classes(targets: Stored, predictions: Stored, names: tuple[str, ...]) -> tuple[Stored, tuple[str, ...]]:
    """The targets as numbers, and the names of the classes."""
    columns = predictions.columns if len(predictions.shape) > 1 else ()
    known = names or columns
    if targets.is_text:
        return _of_words(targets, predictions, names, columns)
    if targets.dtype.kind == "b" and {_key(name) for name in known} == {"true", "false"}:
        return _matched(targets, known, say("matched with the names of the columns")), known
    if targets.is_integer and _are_other_integers(known) and len(targets.shape) < max(2, len(predictions.shape)):
        values = set(targets.values)
        if names or (values and values <= {*known, "-100", "255", "-1"}):
            return _matched(targets, known, say("matched with the names of the columns (--names overrides)")), known
    return targets, known


def _of_words(
    targets: Stored, predictions: Stored, names: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[Stored, tuple[str, ...]]:
    values = sorted(targets.values or _distinct(targets))
    keys = {_key(value) for value in values}
    for known in (names, columns):
        if known and (known is names or keys <= {_key(name) for name in known}):
            return _matched(targets, known, say("text, matched with the names")), known
    classes = predictions.shape[1] if len(predictions.shape) > 1 else 1
    if all(key.removeprefix("-").isdigit() for key in keys):
        return replace(targets, dtype=np.dtype(np.int64), read=_mapped(targets, lambda x: x.astype(np.int64))), columns
    if classes <= 2 and keys <= YES | NO:
        no, yes = (next((v for v in values if _key(v) in words), d) for words, d in ((NO, "no"), (YES, "yes")))
        said = say("{yes!r} is read as 1 (--names {no},{yes})", yes=yes, no=no)
        return _matched(targets, (no, yes), said), (no, yes)
    if len(values) == max(2, classes):
        found = tuple(values)
        listed = ",".join(found[:6]) + (",..." if len(found) > 6 else "")
        said = say(
            "classes are in alphabetical order, as scikit-learn has them (--names {names} in another)", names=listed
        )
        if classes == 1:
            said = say("{yes!r} is read as 1 (--names {names} with the 1 last)", yes=values[1], names=listed)
        return _matched(targets, found, said), found
    raise targets.error(
        f"targets are text, {len(values):,} different words for {classes:,} columns",
        fix="--names with the class names in the order of the columns",
    )


def _are_other_integers(names: tuple[str, ...]) -> bool:
    """Whether names are integers, and not the indices themselves."""
    return all(name.isdigit() for name in names) and names != tuple(str(k) for k in range(len(names)))


def _key(value: str) -> str:
    return str(value).strip().casefold()


def _distinct(targets: Stored) -> set[str]:
    found: set[str] = set()
    for block in targets.blocks(2**16):
        found.update(str(value).strip() for value in np.unique(text_of(block)))
        if len(found) > MOST:
            raise targets.error(f"more than {MOST:,} different words", fix="--target-key with the classes")
    return found


def _mapped(targets: Stored, convert: Callable[[np.ndarray], np.ndarray]) -> Callable[[int], Iterator[np.ndarray]]:
    return lambda rows: (convert(text_of(block)) for block in targets.read(rows))


def _matched(targets: Stored, names: tuple[str, ...], said: str) -> Stored:
    """Targets as the places of their values among `names`; integers that are not there stay what they are."""
    exact = len({_key(name) for name in names}) < len(names)
    key = (lambda value: str(value).strip()) if exact else _key
    order = np.argsort([key(name) for name in names])
    known = np.array([key(name) for name in names])[order]

    def read(rows: int) -> Iterator[np.ndarray]:
        start = 0
        for block in targets.read(rows):
            values, inverse = np.unique(text_of(block), return_inverse=True)
            labels = np.array([key(value) for value in values], dtype=str)
            places = np.minimum(np.searchsorted(known, labels), len(known) - 1)
            unknown = known[places] != labels
            index = order[places]
            if targets.is_integer:  # what marks ignored rows has no name
                index = np.where(unknown, values, index)
                unknown &= (values >= 0) & (values != 255)
            if unknown.any():
                row = int(np.argmax(unknown[inverse]))
                label = str(text_of(block).ravel()[row])[:40]
                fix = f"use one of {', '.join(names[:8])}"
                raise targets.error(f"{label!r} is not a class name", position=f"row {start + row}", fix=fix)
            yield index[inverse].reshape(block.shape)
            start += len(block)

    remark = join("; ", [targets.remark, say("{name}: {said}", name=targets.label, said=said)])
    return replace(targets, dtype=np.dtype(np.int64), read=read, remark=remark)
