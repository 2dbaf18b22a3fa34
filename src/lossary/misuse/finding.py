"""What a check hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

from lossary.core.shown import bullets, folded, pairs, paragraph, shown

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One mistake of a call.

    severity: "error": the number means nothing until this is fixed; "warning": probably a mistake; "note": worth
    knowing. observed: what was seen of the argument. why: what it costs, with the figure for this very input.
    raises: what the loss says where it refuses the call.
    """

    code: str
    severity: Severity
    loss: str
    argument: str
    title: str
    observed: str
    why: str
    fix: str
    where: str = ""
    raises: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """What is said, by the words that it is shown beside."""
        said = {self.argument or "call": self.observed, "where": self.where, "raises": self.raises}
        said |= {"why": self.why, "fix": self.fix}
        return {word: text for word, text in said.items() if text}

    def __str__(self) -> str:
        width = max(map(len, self.parts))
        lines = [f"  {word:<{width}}  {text}" for word, text in self.parts.items()]
        return "\n".join([f"{self.code} {self.severity}  {self.loss}: {self.title}", *lines])

    __repr__ = __str__

    @property
    def html(self) -> str:
        """Without the frame that several have in common."""
        return paragraph(f"{self.code} {self.severity}  {self.title}", self.severity) + pairs(self.parts.items())

    def _repr_html_(self) -> str:
        return shown(self.html)


@dataclass(frozen=True)
class Findings(Sequence[Finding]):
    """The findings of one call, the severest first.

    rules: the codes of the rules that looked. unchecked: those that could not, with the reason. sampled: what part
    was read, where not all was.
    """

    loss: str
    findings: tuple[Finding, ...] = ()
    rules: tuple[str, ...] = ()
    unchecked: Mapping[str, str] = field(default_factory=dict)
    sampled: str = ""

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(finding.code for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line."""
        found = {0: "no findings", 1: "1 finding"}.get(len(self), f"{len(self)} findings")
        looked = f"{len(self.rules)} {'rule' if len(self.rules) == 1 else 'rules'} looked"
        return f"{self.loss}: {found}: {looked}{f' at {self.sampled}' if self.sampled else ''}"

    @property
    def not_checked(self) -> list[str]:
        """A line for each reason why rules could not look."""
        by_reason: dict[str, list[str]] = {}
        for code, reason in self.unchecked.items():
            by_reason.setdefault(reason, []).append(code)
        return [f"not checked: {_named(codes)}: {reason}" for reason, codes in by_reason.items()]

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.findings), "\n".join([self.summary, *self.not_checked])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rest = [self.not_checked] if self.unchecked else []
        return shown(
            paragraph(self.summary, "title" if self else ""),
            *(finding.html for finding in self),
            *(folded("Not checked", bullets(line.removeprefix("not checked: ") for line in lines)) for lines in rest),
        )


def _named(codes: list[str]) -> str:
    return ", ".join(codes) if len(codes) <= 6 else f"{len(codes)} rules"
