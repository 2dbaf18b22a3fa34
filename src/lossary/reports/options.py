"""Options as the reader writes them: `--kind logits` on the command line, `kind="logits"` in Python.

Texts name them as the command line does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ARGUMENTS = {"pred-key": "prediction_key"}
"""Names in Python, where they differ by more than hyphens."""
OPTION = re.compile(
    r"--(?:(kind) (logits|probs|logprobs|values)|(task) (classification|soft|binary|multilabel|regression)"
    r"|(ignore-index) (-?\d+)|(names) ([^\s,;]+(?:,[^\s,;)；，。）]+)+)"
    r"|(pred-key|target-key|targets|kind|task|names|ignore-index|shift-labels|out|seed|fail-on))(?![a-z-])"
)

_on_command_line: ContextVar[bool] = ContextVar("_on_command_line", default=False)


@contextmanager
def on_command_line() -> Iterator[None]:
    token = _on_command_line.set(True)
    try:
        yield
    finally:
        _on_command_line.reset(token)


def spelled(text: str) -> str:
    """A text that names options, for whoever called.

    >>> spelled("--kind probs if they are percent, or --names 0,255")
    'kind="probs" if they are percent, or names=["0", "255"]'
    """
    return text if _on_command_line.get() else OPTION.sub(_argument, text)


def _argument(match: re.Match[str]) -> str:
    option, *value = (part for part in match.groups() if part)
    name = ARGUMENTS.get(option, option.replace("-", "_"))
    if option == "shift-labels":
        return f"{name}=True"
    if option == "names" and value:
        listed = [word if word == "..." else f'"{word}"' for word in value[0].split(",")]
        return f"{name}=[{', '.join(listed)}]"
    return f"{name}=" + "".join(word if option == "ignore-index" else f'"{word}"' for word in value)
