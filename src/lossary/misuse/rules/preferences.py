"""Log-probabilities of whole answers, of a model and of its reference."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import applied, paste, share

WORD = "sequence log-probabilities"
SOME = 16
"""Answers of which one is long."""
SHORT = -6.0
"""A sum of log-probabilities below which an answer has more than a few tokens, and no average lies."""
ROUNDED = 1e-2
"""How far above 0 rounding may carry a sum."""


@rule(
    "LS109",
    "log-probabilities above 0",
    "error",
    words=(WORD,),
    why="a log-probability is at most 0: with the sign of a negative log-likelihood the loss prefers the rejected "
    "answers, and of probabilities it hardly sees a difference",
    fix="pass the sum of log-probabilities of an answer: minus its summed cross-entropy",
)
def above_zero(call: Call, name: str) -> Iterator[Seen]:
    x = call.rows(name)
    x = x[np.isfinite(x)]
    wrong = x > ROUNDED
    if not wrong.any():
        return
    seen = f"{share(wrong)} are above 0, up to {x.max():.4g}"
    if wrong.all() and x.max() <= 1:
        yield Seen(
            f"{seen}, and all at most 1", "they are probabilities", paste(call, **{name: applied(call, "log", name)})
        )
    elif wrong.all():
        yield Seen(
            seen,
            "negative log-likelihoods? Then the loss prefers the rejected answers",
            paste(call, **{name: f"-{name}"}),
        )
    else:
        yield Seen(seen)


@rule(
    "LS125",
    "a reference that is trained",
    "warning",
    words=(WORD,),
    when=lambda call, name: name.startswith("reference"),
    why="its gradient is minus that of the model: where both share parameters they cancel, and nothing is learnt",
    fix="compute the reference under torch.no_grad(), or detach it",
)
def trained_reference(call: Call, name: str) -> Iterator[Seen]:
    if call.needs_grad(name):
        yield Seen("it needs a gradient", fix=paste(call, **{name: f"{name}.detach()"}))


@rule(
    "LS154",
    "averages where sums belong",
    "note",
    when=lambda call, name: bool(call.named(WORD)) and call.option("kind") != "ipo",
    why="beta is meant for sums over the tokens of an answer: of averages it counts as much less as answers are long",
    fix="pass sums over tokens, or beta times the usual length of an answer; answers of a few tokens are right",
)
def averages(call: Call, name: str) -> Iterator[Seen]:
    x = np.concatenate([call.rows(word) for word in call.named(WORD)])
    x = x[np.isfinite(x)]
    if x.size >= 4 * SOME and x.min() > SHORT and x.max() <= ROUNDED:
        yield Seen(
            f"all {x.size:,} log-probabilities of answers lie above {x.min():.3g}, with a mean of {x.mean():.3g}",
            f"so do averages over tokens: beta={call.option('beta'):g} counts as much less of them as answers are long",
        )
