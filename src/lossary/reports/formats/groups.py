"""Which columns of a table belong together as one array of scores: by a name that they share, or by the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lossary.reports.formats.column import Column

SCORE_STEMS = ("logits", "logit", "log_probs", "log_prob", "logprobs", "logprob", "probabilities", "probability",
               "probs", "prob", "proba", "pred", "prediction", "score", "output", "p")  # fmt: skip
TARGET_STEMS = ("target", "targets", "label", "labels", "y", "y_true")
WHOLE_NAMES = {"y_true", "y_pred", "y_hat", "y_score", "y_prob", "y_test", "label_id", "label_ids", "label_name",
               "target_id", "pred_label", "pred_class", "prediction_id", "p_value"}  # fmt: skip
MEMBER = re.compile(
    rf"(?i)\.?({'|'.join(sorted(SCORE_STEMS + TARGET_STEMS, key=len, reverse=True))})(?:[_.\-: ]|(?=\d))(.+)"
)
REVERSED = re.compile(rf"(?i)(.+)[_.\-: ]({'|'.join(sorted(SCORE_STEMS[:-1], key=len, reverse=True))})")
SEPARATORS = "_.-: ()[]\"'"

Groups = dict[str, tuple[list[str], tuple[str, ...]]]


def groups(columns: Sequence[Column]) -> Groups:
    """For each array its key, its columns and the names of their classes.

    `p_cat, p_dog, label` is {"p": (["p_cat", "p_dog"], ("cat", "dog")), "label": (["label"], ())}.
    """
    free = {column.name: column for column in columns if column.kind in ("number", "whole")}
    found: Groups = {}
    for column in columns:
        if column.values and (classes := _of_classes(sorted(column.values), column, free)):
            for key, members in classes.items():
                found[key] = members
                for name in members[0]:
                    del free[name]
    found |= _by_stem(list(free))
    taken = {name for members, _ in found.values() for name in members}
    return found | {column.name: ([column.name], ()) for column in columns if column.name not in taken}


def _of_classes(values: list[str], target: Column, free: dict[str, Column]) -> Groups:
    """Columns named as the values of another: `ham, spam`, `0, 1, 2`, `P(ham)`, `ham_score`."""
    if target.kind == "whole":
        values = [value for value in values if int(value) >= 0 and value != "255"]
    if len(values) < 2 or len(values) > len(free) - (target.name in free):
        return {}
    names = [name for name in free if name != target.name]
    affixes = {(name[:at], name[at + len(values[0]) :]) for name in names for at in _places(name, values[0])}
    found: Groups = {}
    for before, after in sorted(affixes):
        if not all(before + value + after in free for value in values):
            continue
        if not before and not after:
            members = [n for n in names if n in values or (n.isdigit() and all(v.isdigit() for v in values))]
        else:
            members = [n for n in names if n.startswith(before) and n.endswith(after) and len(n) > len(before + after)]
        classes = [name[len(before) : len(name) - len(after)] for name in members]
        key = (before + after).strip(SEPARATORS)
        if not key and (before or after):
            continue
        if not any(set(members) & set(others) for others, _ in found.values()):
            found[key or ",".join(members[:4])] = _ordered(members, classes)
    return found


def _places(name: str, value: str) -> list[int]:
    """Where `value` stands in `name` as a word of its own."""
    return [
        match.start()
        for match in re.finditer(re.escape(value), name)
        if not name[match.start() - 1 : match.start()].isdigit() and not name[match.end() : match.end() + 1].isalnum()
    ]


def _by_stem(names: list[str]) -> Groups:
    """Columns that share a usual stem; numbered ones in numeric order."""
    stems: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        match = None if name.lower() in WHOLE_NAMES else MEMBER.fullmatch(name)
        reverse = None if match or name.lower() in WHOLE_NAMES else REVERSED.fullmatch(name)
        if match and match[1] not in names:
            stems.setdefault(match[1], []).append((name, match[2]))
        elif reverse and reverse[2] not in names:
            stems.setdefault(reverse[2], []).append((name, reverse[1]))
        elif name.isdigit():
            stems.setdefault("", []).append((name, name))
    return {
        stem or ",".join(name for name, _ in members[:4]): _ordered([m for m, _ in members], [c for _, c in members])
        for stem, members in stems.items()
        if len(members) > 1
    }


def _ordered(members: list[str], classes: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """In numeric order where they are numbered; and without names where those are 0, 1, 2, ..."""
    if all(name.isdigit() for name in classes):
        order = sorted(range(len(members)), key=lambda k: int(classes[k]))
        members, classes = [members[k] for k in order], [classes[k] for k in order]
        if [int(name) for name in classes] == list(range(len(classes))):
            classes = []
    return members, tuple(classes)
