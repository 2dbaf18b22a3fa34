"""The report on predictions and targets: what was understood, the losses in context, and what is odd about them.

>>> from lossary.reports import report
>>> result = report()  # held-out predictions that ship with Lossary; your own: report("predictions.npz")
>>> result.understanding.task, result.understanding.classes
('classification', 10)
>>> result.exit_code()
0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from lossary.core.extras import MissingExtra as MissingExtra
from lossary.reports.bad_input import BadInput as BadInput
from lossary.reports.comparison import Comparison as Comparison
from lossary.reports.comparison import aligned
from lossary.reports.comparison import run as run_comparison
from lossary.reports.engine import Report as Report
from lossary.reports.engine import Seen, run
from lossary.reports.frame import Block
from lossary.reports.given import File, files_of, opened, opened_both
from lossary.reports.progress import progress_bar, size_of
from lossary.reports.read import Input
from lossary.reports.understand import Kind, Task, Understanding, understand
from lossary.reports.write import refuse_place, write_whole
from lossary.translations import Language, say, speaking

__all__ = ["BadInput", "Comparison", "MissingExtra", "Report", "Understanding", "compare", "report"]

Predictions: TypeAlias = ArrayLike | File | Sequence[File] | Mapping[str, Any] | Iterable[tuple[Any, Any]]


def report(
    predictions: Predictions | None = None,
    targets: ArrayLike | File | None = None,
    *,
    names: Sequence[str] | np.ndarray | None = None,
    kind: Kind | None = None,
    task: Task | None = None,
    ignore_index: int | None = -100,
    shift_labels: bool = False,
    prediction_key: str | Sequence[str] | None = None,
    target_key: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    language: Language = "en",
    progress: bool | None = None,
    on_understood: Callable[[Understanding], None] | None = None,
) -> Report:
    """Report on predictions and targets: arrays, batches of them, or files.

    `report(logits, labels)`: arrays of torch, NumPy or JAX, lists, columns and frames of pandas or polars, whose
    columns name the classes. They are not copied.
    `report(model.predict_proba(X), y, names=model.classes_)`: targets may be the words that scikit-learn is given.
    `report((model(x), y) for x, y in loader)`: any iterable of batches of both, which is gone through once; they wait
    in a temporary file.
    `report("predictions.npz")`, `report(["logits.npy", "labels.npy"])`: files (.npz, .npy, .safetensors, .pt, .csv,
    .parquet, .jsonl, .xlsx and others), read in chunks, which may be larger than memory; nothing is ever unpickled.
    `report({"logits": logits, "labels": labels})`, `report(frame)`: arrays or columns by name, as a file has them.
    `report(["a.npz", "b.npz"])`: two sets of predictions over the same targets are compared, as `compare` does.
    `report()`: predictions that ship with Lossary.

    Losses are computed in float64, in nats (of regression: in units of the target).

    predictions: scores of the classes, (N, C) or with more axes; one score or value for each sample, (N,).
    targets: class indices or names (N,), distributions or yes and no (N, C), or values (N,).
    names: class names in the order of the columns; targets that are words or other integers are matched with them.
    kind: "logits", "probs", "logprobs" or "values" (real values); guessed from the numbers.
    task: "classification", "soft" (a distribution for each sample), "binary", "multilabel" or "regression"; guessed.
    ignore_index: class indices with this value do not count; None counts all.
    shift_labels: hold the scores at each position of (B, L, V) against the label of the next, as causal language models
        need it where predictions and labels are as they come.
    prediction_key, target_key: names of arrays, or of columns ("ham,spam", "prob_*"), of a file, a dict or a frame;
        guessed from the usual names. Two keys of predictions are compared.
    out: where to write the page; it is written whole or not at all, and never over the input.
    seed: of the samples that long inputs are thinned to, and of the bootstrap. Same input and seed, same bytes.
    language: "en" or "zh", of all texts.
    progress: True or False to show or hide a progress bar on stderr; None for long inputs on a terminal.
    on_understood: called with what was understood, once the input has been read.

    Raises `BadInput` (a ValueError) that names the argument or the file, the position and the fix, and `MissingExtra`
    (an ImportError) where an optional package is needed.
    """
    _refuse_unknown(seed, language)
    if out is not None:
        refuse_place(out, files_of(predictions, targets))
    names = None if names is None else [_name(name) for name in names]
    keys: dict[str, Any] = {"prediction_key": prediction_key, "target_key": target_key, "names": names}
    options = _Options(kind, task, ignore_index, shift_labels, names, seed, language, progress, on_understood)
    with speaking(language), ExitStack() as stack:
        with progress_bar(say("opening"), None, size_of(files_of(predictions, targets)), progress):
            source = stack.enter_context(opened(predictions, targets, **keys))  # reads tables, to learn what they hold
        result = options.compared(*source) if isinstance(source, tuple) else options.reported(source)
    if out is not None:
        write_whole(out, result.to_html())
    return result


def compare(
    a: Predictions,
    b: Predictions,
    targets: ArrayLike | File | None = None,
    *,
    names: Sequence[str] | np.ndarray | None = None,
    kind: Kind | None = None,
    task: Task | None = None,
    ignore_index: int | None = -100,
    shift_labels: bool = False,
    prediction_key: str | Sequence[str] | None = None,
    target_key: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    language: Language = "en",
    progress: bool | None = None,
    on_understood: Callable[[Understanding], None] | None = None,
) -> Comparison:
    """Compare two sets of predictions, target by target: is B better than A, by how much, and where.

    `compare("a.npz", "b.npz")`: files that have predictions and targets each, or targets in one of them.
    `compare("a.npy", "b.npy", "labels.npy")`, `compare(logits, others, labels)`: targets given once.

    Samples are joined by their ids where both have them, by their position where they have none; the targets must be
    the same. One may have logits and the other probabilities.

    prediction_key: of both, or one for each. The other arguments are those of `report`.

    The difference of the mean loss has an interval paired by sample. `exit_code()` is 1 where B is worse beyond it.
    """
    _refuse_unknown(seed, language)
    if out is not None:
        refuse_place(out, [file for x in (a, b, targets) if x is not None for file in files_of(x, None)])
    names = None if names is None else [_name(name) for name in names]
    keys: dict[str, Any] = {"prediction_key": prediction_key, "target_key": target_key, "names": names}
    options = _Options(kind, task, ignore_index, shift_labels, names, seed, language, progress, on_understood)
    with speaking(language), opened_both(a, b, targets, **keys) as (first, second):
        result = options.compared(first, second)
    if out is not None:
        write_whole(out, result.to_html())
    return result


def _refuse_unknown(seed: int, language: str) -> None:
    if seed < 0:
        raise BadInput(f"seed {seed} is negative", fix="0 or more")
    if language not in get_args(Language):
        raise BadInput(f"language {language!r} is unknown", fix=f"one of {', '.join(get_args(Language))}")


class _Options(NamedTuple):
    """What `report` and `compare` are told beside their input."""

    kind: Kind | None
    task: Task | None
    ignore_index: int | None
    shift_labels: bool
    names: Sequence[str] | None
    seed: int
    language: Language
    progress: bool | None
    on_understood: Callable[[Understanding], None] | None

    def reported(self, source: Input) -> Report:
        seen = Seen(self.seed, self.language)
        understanding = self._understood(source, seen.add)
        if seen.agrees(understanding):
            return seen.report(understanding)
        with self._bar(say("again"), source) as advance:  # the beginning looked like something else
            return run(understanding, seed=self.seed, language=self.language, advance=advance)

    def compared(self, a: Input, b: Input) -> Comparison:
        first, second = self._understood(a), self._understood(aligned(a, b))
        with self._bar(say("comparing"), a) as advance:
            return run_comparison(first, second, seed=self.seed, language=self.language, advance=advance)

    def _understood(
        self,
        source: Input,
        meanwhile: Callable[[Understanding | None, Block], None] = lambda understanding, block: None,
    ) -> Understanding:
        with self._bar(say("reading"), source) as advance:
            understanding = understand(
                source,
                kind=self.kind,
                task=self.task,
                ignore_index=self.ignore_index,
                shift_labels=self.shift_labels,
                names=self.names,
                advance=advance,
                meanwhile=meanwhile,
            )
        if self.on_understood is not None:
            self.on_understood(understanding)
        return understanding

    def _bar(self, description: str, source: Input) -> AbstractContextManager[Callable[[int], None]]:
        samples = source.predictions.shape[0] if source.predictions.shape else 0
        return progress_bar(description, samples, source.bytes, self.progress)


def _name(given: object) -> str:
    """Of a class; scikit-learn has floats where the targets are."""
    return str(int(given)) if isinstance(given, float | np.floating) and given == int(given) else str(given)
