"""What a rule is: what it looks at, and the lasting part of what it says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lossary.misuse.call import Call
from lossary.misuse.finding import Severity


@dataclass(frozen=True)
class Seen:
    """What a rule saw in one call; `why` and `fix` are the rule's own where they are empty."""

    observed: str
    why: str = ""
    fix: str = ""
    where: str = ""


Look = Callable[[Call, str], Iterator[Seen]]
When = Callable[[Call, str], bool]


@dataclass(frozen=True)
class Rule:
    """A mistake that a call may show.

    words: the rule looks at each argument whose contract is one of these words; without any, once at each call.
    when: what else must hold for it to apply. refused: whether it also looks at calls that the loss refuses.
    why, fix: in general; a finding says them with the numbers of its call.
    """

    code: str
    title: str
    severity: Severity
    why: str
    fix: str
    look: Look
    words: tuple[str, ...]
    when: When
    refused: bool

    def arguments(self, call: Call) -> list[str]:
        """The arguments to look at; [""] for the call as a whole."""
        names = call.named(*self.words) if self.words else [""]
        return [name for name in names if self.when(call, name)]


def rule(
    code: str,
    title: str,
    severity: Severity,
    *,
    why: str,
    fix: str,
    words: tuple[str, ...] = (),
    when: When = lambda call, name: True,
    refused: bool = False,
) -> Callable[[Look], Rule]:
    def decorate(look: Look) -> Rule:
        return Rule(code, title, severity, why, fix, look, words, when, refused)

    return decorate
