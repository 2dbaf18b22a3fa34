"""Losses beside each other: what they learn, believe and pull, what links them, and when each is the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lossary.cli.page import page
from lossary.core.record import Loss
from lossary.identities import IDENTITIES
from lossary.plots.axes import common
from lossary.plots.overlay import curve
from lossary.translations import Language, translate
from lossary.which.answers import ABOUT, command, held_by
from lossary.which.tasks import TASKS

SCORES = {"logits", "probabilities", "log-probabilities", "real numbers"}
"""First arguments of losses that may be proper scores."""

WRONG = {"x - y": (1.0, 10.0), "lead of the true class": (-1.0, -5.0), "probability of the true class": (0.1, 0.001)}
"""Where predictions are wrong, on the axes that have such places."""

AXES = (*WRONG, "gradient by the lead", "gradient by its logit")
"""The words of axes that are translated."""

WORDS = {
    "no likelihood": "none: it is the likelihood of nothing",
    "at": "{axis} {x:g}: loss {value:.4g}, {gradient} {slope:.4g}",
    "proper": "a proper score: over targets drawn from a distribution, least where that distribution is predicted",
    "improper": "no proper score: what it ends at is no probability of the data",
    "when": "when",
    "not when": "not when",
    "asked": "answer to",
}


@dataclass(frozen=True)
class Comparison:
    """losses: by name, the sentences about each, by what they are about. links: identities between them, by name."""

    losses: dict[str, dict[str, list[str]]]
    links: dict[str, str]


def compare(records: Sequence[Loss], language: Language = "en") -> Comparison:
    """What is known of these losses, aspect by aspect."""

    def t(text: str) -> str:
        return translate(text, language)

    names = {record.name for record in records}
    wrong = _where_wrong(records, t)
    links = {i.name: t(i.statement) for i in IDENTITIES if len(names.intersection(i.losses)) > 1}
    return Comparison({r.name: _aspects(r, wrong.get(r.name, []), language, t) for r in records}, links)


def _aspects(record: Loss, wrong: list[str], language: Language, t: Callable[[str], str]) -> dict[str, list[str]]:
    """The rule that takes the fewest circumstances has claims about the loss as it is; none is about the user's own."""
    shown, asking = page(record, language), [(t, r) for t in TASKS.values() for r in t.rules if r.loss == record.name]
    claims = min((rule for _, rule in asking), key=lambda rule: len(rule.when)).because if asking else ()

    def said(about: str) -> list[str]:
        return [f"{t(claim.text)} [{held_by(claim)}]" for claim in claims if claim.about == about]

    found = {
        ABOUT["minimiser"]: [shown.minimiser] if shown.minimiser else said("minimiser"),
        ABOUT["noise"]: said("noise") or [t(WORDS["no likelihood"])] * bool(asking),
        ABOUT["gradient"]: [*["\n".join(shown.gradient_text)] * bool(shown.gradient), *wrong, *said("gradient")],
        ABOUT["probabilities"]: [*_properness(record, t), *said("probabilities")],
        ABOUT["value"]: said("value"),
        WORDS["when"]: list(shown.use_when),
        WORDS["not when"]: list(shown.not_when),
        WORDS["asked"]: [command(task.name, rule.when) for task, rule in asking],
    }
    return {t(about): sentences for about, sentences in found.items()}


def _properness(record: Loss, t: Callable[[str], str]) -> list[str]:
    first = next(iter(record.data.values()))
    if "proper" in record.properties:
        return [t(WORDS["proper"])]
    is_score = any(spec.domain.name in SCORES for spec in first) and record.family in (
        "classification",
        "binary",
        "margin",
    )
    return [t(WORDS["improper"])] if is_score else []


def _where_wrong(records: Sequence[Loss], t: Callable[[str], str]) -> dict[str, list[str]]:
    """The value and the slope of each at wrong predictions, where they have an axis in common."""
    try:
        axes = common([record for record in records if record.plot])
    except ValueError:
        return {}
    found = {}
    for record in records:
        axis = axes.get(record.name)
        if axis and record.plot and axis.label in WRONG:
            sweep = {name: values[0] for name, values in record.plot.sweep.items() if name in record.data}
            one = curve(record, axis, np.array(WRONG[axis.label]), sweep)
            numbers = zip(one.x, one.value, one.gradient, strict=True)
            words = {"axis": t(axis.label), "gradient": t(axis.gradient)}
            found[record.name] = [t(WORDS["at"]).format(x=x, value=v, slope=s, **words) for x, v, s in numbers]
    return found
