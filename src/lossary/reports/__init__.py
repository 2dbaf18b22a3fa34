"""The report on saved predictions and targets: what was understood, the losses in context, and what is odd about them.

>>> from lossary.reports import report
>>> result = report()  # held-out predictions that ship with Lossary; your own: report("predictions.npz")
>>> result.understanding.task, result.understanding.classes
('classification', 10)
>>> result.exit_code()
0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from lossary.core.extras import MissingExtra as MissingExtra
from lossary.reports.bad_input import BadInput as BadInput
from lossary.reports.engine import Report as Report
from lossary.reports.engine import Seen, run
from lossary.reports.progress import progress_bar, size_of
from lossary.reports.read import open_input
from lossary.reports.understand import Kind, Task, Understanding, understand
from lossary.reports.write import refuse_place, write_whole

__all__ = ["BadInput", "MissingExtra", "Report", "Understanding", "report"]


def report(
    path_or_paths: str | Path | Sequence[str | Path] | None = None,
    *,
    prediction_key: str | None = None,
    target_key: str | None = None,
    kind: Kind | None = None,
    task: Task | None = None,
    ignore_index: int | None = -100,
    shift_labels: bool = False,
    names: Sequence[str] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool | None = None,
    on_understood: Callable[[Understanding], None] | None = None,
) -> Report:
    """Report on predictions and targets in files: arrays (.npz, .npy, .safetensors, .pt) or tables (.csv, .parquet,
    .jsonl, .xlsx and others).

    Files are read in chunks and may be larger than memory; nothing is ever unpickled. Losses are computed in float64,
    in nats (of regression: in units of the target).

    path_or_paths: one file or several whose arrays belong together; None for predictions that ship with Lossary.
    prediction_key, target_key: names of the arrays, or of columns ("ham,spam", "prob_*"); guessed from the usual names.
    kind: "logits", "probs", "logprobs" or "values" (real values); guessed from the numbers.
    task: "classification", "soft" (a distribution for each sample), "binary", "multilabel" or "regression"; guessed.
    ignore_index: class indices with this value do not count; None counts all.
    shift_labels: hold the scores at each position of (B, L, V) against the label of the next, as causal language models
        need it where predictions and labels were saved as they are.
    names: class names in the order of the columns; targets that are words or other integers are matched with them.
    out: where to write the page; it is written whole or not at all, and never over the input.
    seed: of the samples that long inputs are thinned to, and of the bootstrap. Same input and seed, same bytes.
    progress: True or False to show or hide a progress bar on stderr; None for long inputs on a terminal.
    on_understood: called with what was understood, before the sections run.

    Raises `BadInput` (a ValueError) that names the file, the key, the position and the fix, and `MissingExtra` (an
    ImportError) where an optional package is needed.
    """
    if seed < 0:
        raise BadInput(f"seed {seed} is negative", fix="0 or more")
    paths = _paths(path_or_paths)
    if out is not None:
        refuse_place(out, paths)
    with progress_bar("opening", None, size_of(paths), progress):  # tables are read, to learn what they hold
        source = open_input(
            paths, prediction_key=prediction_key, target_key=target_key, names=names, without_targets=True
        )
    samples = source.predictions.shape[0] if source.predictions.shape else 0
    seen = Seen(seed)
    with progress_bar("reading", samples, source.bytes, progress) as advance:
        understanding = understand(
            source,
            kind=kind,
            task=task,
            ignore_index=ignore_index,
            shift_labels=shift_labels,
            names=names,
            advance=advance,
            meanwhile=seen.add,
        )
    if on_understood is not None:
        on_understood(understanding)
    if seen.agrees(understanding):
        result = seen.report(understanding)
    else:  # the beginning of the input looked like something else
        with progress_bar("again", samples, source.bytes, progress) as advance:
            result = run(understanding, seed=seed, advance=advance)
    if out is not None:
        write_whole(out, result.to_html())
    return result


def _paths(given: str | Path | Sequence[str | Path] | None) -> Sequence[str | Path]:
    if given is None:
        return [str(files("lossary.reports") / "data" / "digits.npz")]
    return [given] if isinstance(given, str | Path) else given
