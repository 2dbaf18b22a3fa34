"""Which two inputs are compared, and whether they can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import Stored
from lossary.reports.join import ordered, places
from lossary.reports.read import (
    Input,
    are_whole,
    input_of,
    input_of_record,
    is_of_tokens,
    lacks_targets,
    only_scores,
    only_targets,
)
from lossary.reports.understand import TASK_WORDS, Understanding


def both(
    arrays: Sequence[Stored],
    files: Sequence[str],
    keys: Sequence[str] = (),
    target_key: str | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Input, Input] | None:
    """The inputs A and B, where that is what files are; None where their arrays belong together.

    Two files with predictions and targets each, or of which one has targets for both; two with predictions and a third
    with targets. keys: of the predictions of both, or of A and of B.
    """
    if len(set(files)) < len(files):
        raise BadInput("the same file twice", file=", ".join(files), fix="give two files to compare")
    of = [[array for array in arrays if array.file == file] for file in files]
    first, second = (keys[0], keys[-1]) if keys else (None, None)
    options: dict[str, Any] = {"target_key": target_key, "names": names}

    def found(arrays: list[Stored], files: Sequence[str], key: str | None) -> Input:
        return input_of(arrays, tuple(files), prediction_key=key, **options)

    if len(files) == 2 and (are_whole(of[0], of[1]) or all(map(is_of_tokens, of))):
        return found(of[0], files[:1], first), found(of[1], files[1:], second)
    if len(files) == 2:
        for whole, part in ((0, 1), (1, 0)):
            if lacks_targets(of[part], of[whole]):
                one = found(of[whole], files[whole : whole + 1], (first, second)[whole])
                borrowed = [*of[part], one.targets, *([one.ids] if one.ids else [])]
                other = found(borrowed, (files[part], files[whole]), (first, second)[part])
                return (other, one) if whole else (one, other)
    if len(files) == 3:
        targets = [k for k in range(3) if only_targets(of[k])]
        scores = [k for k in range(3) if only_scores(of[k])]
        if len(targets) == 1 and len(scores) == 2:
            (a, b), t = scores, targets[0]
            return found(of[a] + of[t], (files[a], files[t]), first), found(of[b] + of[t], (files[b], files[t]), second)
    return None


def aligned(a: Input, b: Input) -> Input:
    """B in the order of A, by their ids where both have them."""
    if a.record and b.record and not (a.record.has_ids and b.record.has_ids):
        return b
    ids = [x.ids if x.ids is not None and x.ids.shape == x.predictions.shape[:1] else None for x in (a, b)]
    if a.of_tokens or ids[0] is None or ids[1] is None or a.predictions.file == b.predictions.file:
        return b
    if b.record and (order := places(ids[0], ids[1], b.record.folder, "are not")) is not None:
        return input_of_record(b.record.in_order(order))
    put = [ordered(array, ids[0], ids[1], "are not") for array in (b.predictions, b.targets)]
    return replace(b, predictions=put[0], targets=replace(put[1], remark=b.targets.remark), ids=a.ids)


def refuse_unlike(a: Understanding, b: Understanding) -> None:
    """Raise `BadInput` where the two cannot be compared pair by pair."""
    where = f"{', '.join(a.input.files)} and {', '.join(b.input.files)}"
    same = "save both over the same samples, with an id for each"
    if a.task != b.task:
        raise BadInput(f"one is {TASK_WORDS[a.task]}, the other {TASK_WORDS[b.task]}", file=where,
                       fix="say --task, or save both alike")  # fmt: skip
    sizes = [u.classes if u.task == "recorded" else u.frame.columns for u in (a, b)]
    if sizes[0] != sizes[1]:
        raise BadInput(f"{sizes[0]:,} classes and {sizes[1]:,}", file=where,
                       fix="save the scores of the same classes")  # fmt: skip
    if a.names and b.names and a.names != b.names:
        k = next(k for k, pair in enumerate(zip(a.names, b.names, strict=True)) if pair[0] != pair[1])
        raise BadInput(f"class {k} is {a.names[k]!r} in one and {b.names[k]!r} in the other", file=where,
                       fix="save the columns in the same order")  # fmt: skip
    left, right = a.frame.target_shape, b.frame.target_shape
    if left[0] != right[0]:
        raise BadInput(f"{left[0]:,} {a.unit}s and {right[0]:,}", file=where, fix=same)
    if left != right:
        raise BadInput(f"targets {left} and {right}", file=where, fix=same)
    if a.task == "tokens" and a.input.ids is not None and b.input.ids is not None:
        differ = a.input.ids.whole() != b.input.ids.whole()
        if differ.any():
            raise BadInput(f"records have other numbers of tokens, from token {int(differ.argmax()):,} on", file=where,
                           fix="compare models that read texts with the same tokeniser")  # fmt: skip
    ignored = a.survey.ignored, b.survey.ignored
    if ignored[0] != ignored[1]:
        raise BadInput(f"{ignored[0]:,} targets are ignored in one and {ignored[1]:,} in the other", file=where,
                       fix="ignore the same targets in both: --ignore-index, or save the same labels")  # fmt: skip
