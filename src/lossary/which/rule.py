"""What the table of `lossary which` is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

About = Literal["minimiser", "noise", "gradient", "probabilities", "value"]


@dataclass(frozen=True)
class Claim:
    """A reason, and what holds it: the name of an identity, or an expression for `evaluate` with its value.

    about: the minimiser, the noise that the loss believes in, the gradient where the prediction is wrong, what becomes
    of probabilities, or the value of the loss.
    """

    about: About
    text: str
    identity: str = ""
    shown: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Rule:
    """An answer. when: the circumstances that it takes, all of them. says: the call, in words."""

    when: tuple[str, ...]
    loss: str
    says: str
    because: tuple[Claim, ...]
    not_when: str


@dataclass(frozen=True)
class Task:
    """What is predicted. circumstances: the names of what may hold, with what they say. rules: the first whose
    circumstances all hold is the answer; the last takes none."""

    name: str
    says: str
    circumstances: Mapping[str, str]
    rules: tuple[Rule, ...]
