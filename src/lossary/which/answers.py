"""What the table answers to a task and its circumstances."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from lossary.core.record import CATALOGUE
from lossary.translations import Language, translate
from lossary.which.rule import Claim, Rule, Task
from lossary.which.tasks import TASKS

ABOUT = {
    "minimiser": "minimiser",
    "noise": "noise",
    "gradient": "gradient",
    "probabilities": "probabilities",
    "value": "value",
}
"""The words that a reason begins with."""


@dataclass(frozen=True)
class Reason:
    """about: a word of ABOUT. held_by: the name of an identity, or an expression with its value."""

    about: str
    text: str
    held_by: str


@dataclass(frozen=True)
class Other:
    """What the answer would be with, or without, some circumstances: the flags, and what they mean."""

    flags: str
    means: tuple[str, ...]
    loss: str
    without: bool = False


@dataclass(frozen=True)
class Answer:
    """circumstances: those that decide, with what they say. also: what each of the others would lead to, alone."""

    task: str
    asked: str
    circumstances: dict[str, str]
    loss: str
    title: str
    says: str
    because: tuple[Reason, ...]
    not_when: str
    changes: tuple[Other, ...]
    also: tuple[Other, ...]

    @property
    def command(self) -> str:
        return command(self.task, self.circumstances)


AND = "; "
"""What joins circumstances."""

WORDS = {
    "because": "Because",
    "not_when": "Not when",
    "changes": "What would change the answer",
    "also": "What the other circumstances lead to, each alone",
    "reason": "{about}: {text} [{held_by}]",
    "without": "without {flags} ({means}): {loss}",
    "with": "{flags} ({means}): {loss}",
}


def sections(of: Answer, language: Language) -> list[tuple[str, list[str]]]:
    """What an answer says below its first lines: headings, each with its points. Command and chart print these."""

    def t(name: str) -> str:
        return translate(WORDS[name], language)

    def said(other: Other) -> str:
        form = t("without" if other.without else "with")
        return form.format(flags=other.flags, means=translate(AND, language).join(other.means), loss=other.loss)

    found = {
        "because": [t("reason").format(**vars(reason)) for reason in of.because],
        "not_when": [of.not_when],
        "changes": [said(other) for other in of.changes],
        "also": [said(other) for other in of.also],
    }
    return [(t(word), points) for word, points in found.items() if points]


def answer(task: str, circumstances: Collection[str] = (), language: Language = "en") -> Answer:
    """The loss for a task, with its reasons. ValueError where the task or a circumstance is not in the table."""
    if task not in TASKS:
        raise ValueError(f"which: task is {task!r}; it must be one of {', '.join(TASKS)}")
    known, given = TASKS[task], frozenset(circumstances)
    for name in circumstances:
        if name not in known.circumstances:
            allowed = ", ".join(known.circumstances) or "none"
            raise ValueError(f"which: {name!r} is no circumstance of the task {task}; there is {allowed}")
    return _answer(known, given, lambda text: translate(text, language))


def choose(task: Task, given: frozenset[str]) -> Rule:
    return next(rule for rule in task.rules if given.issuperset(rule.when))


def _answer(task: Task, given: frozenset[str], t: Callable[[str], str]) -> Answer:
    rule = choose(task, given)

    def other(names: Collection[str], chosen: Rule, without: bool = False) -> Other:
        means = tuple(t(task.circumstances[name]) for name in names)
        return Other(" ".join(map("--{}".format, names)), means, chosen.loss, without)

    changing = (r for r in task.rules if r is not rule and choose(task, given.union(r.when)) is r)
    return Answer(
        task=task.name,
        asked=t(task.says),
        circumstances={name: t(task.circumstances[name]) for name in rule.when},
        loss=rule.loss,
        title=t(CATALOGUE[rule.loss].title),
        says=t(rule.says),
        because=tuple(Reason(t(ABOUT[claim.about]), t(claim.text), held_by(claim)) for claim in rule.because),
        not_when=t(rule.not_when),
        changes=(
            *(other([name for name in r.when if name not in given], r) for r in changing),
            *(other([name], choose(task, given.difference({name})), without=True) for name in rule.when),
        ),
        also=tuple(
            other([name], choose(task, frozenset({name})))
            for name in task.circumstances
            if name in given.difference(rule.when)
        ),
    )


def command(task: str, circumstances: Collection[str]) -> str:
    return " ".join(["lossary which --task", task, *map("--{}".format, circumstances)])


def held_by(claim: Claim) -> str:
    return claim.identity or f"{claim.shown} = {claim.value:.4g}"
