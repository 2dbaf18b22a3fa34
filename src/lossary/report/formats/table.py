"""Tables: which columns belong together as one array of scores."""

from __future__ import annotations

import re

SCORE_STEMS = ("logits", "logit", "log_probs", "log_prob", "logprobs", "logprob", "probabilities", "probability",
               "probs", "prob", "proba", "pred", "prediction", "score", "output", "p")  # fmt: skip
TARGET_STEMS = ("target", "targets", "label", "labels", "y", "y_true")
WHOLE_NAMES = {"y_true", "y_pred", "y_hat", "y_score", "y_prob", "y_test", "label_id", "label_ids", "label_name",
               "target_id", "pred_label", "prediction_id", "p_value"}  # fmt: skip
MEMBER = re.compile(
    rf"(?i)({'|'.join(sorted(SCORE_STEMS + TARGET_STEMS, key=len, reverse=True))})(?:[_.\-: ]|(?=\d))(.+)"
)


def groups(columns: list[str]) -> dict[str, list[str]]:
    """The columns `p_cat, p_dog, label` as `{"p": ["p_cat", "p_dog"], "label": ["label"]}`.

    Two or more columns that share a usual stem are one array; numbered columns come in numeric order.
    """
    found: dict[str, list[str]] = {}
    for column in columns:
        match = None if column.lower() in WHOLE_NAMES else MEMBER.fullmatch(column)
        found.setdefault(match[1] if match and match[1] not in columns else column, []).append(column)
    result: dict[str, list[str]] = {}
    for stem, members in found.items():
        if len(members) == 1:
            result[members[0]] = members
        else:
            result[stem] = sorted(members, key=_number) if all(_suffix(m).isdigit() for m in members) else members
    return result


def class_names(members: list[str]) -> tuple[str, ...]:
    """What the columns of one array call their classes; nothing where they are only numbered."""
    suffixes = tuple(_suffix(member) for member in members)
    return () if len(members) == 1 or all(suffix.isdigit() for suffix in suffixes) else suffixes


def _suffix(column: str) -> str:
    match = MEMBER.fullmatch(column)
    return match[2] if match else column


def _number(column: str) -> int:
    return int(_suffix(column))
