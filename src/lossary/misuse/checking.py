"""`lossary.check`: every rule, on one call."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lossary.core.record import Loss
from lossary.misuse.call import Call, Unchecked
from lossary.misuse.finding import SEVERITIES, Finding, Findings
from lossary.misuse.reading import is_unreadable
from lossary.misuse.resolve import resolve
from lossary.misuse.rule import Rule
from lossary.misuse.rules import RULES, refused
from lossary.misuse.wording import describe


def check(loss: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> Findings:
    """Look for the usual mistakes in a call of a loss: what was passed, why it hurts, and the fix.

    Use it on one batch before training, and where a loss does not fall. Nothing is raised about the data: a call that
    the loss refuses is a finding too. The arguments are neither changed nor kept; from a GPU they are copied. A few
    passes are made over them; of arrays of more than four million elements a part is read, drawn at random.

    Parameters
    ----------
    loss : function, module or str
        `lossary.cross_entropy`, "cross_entropy", `torch.nn.functional.cross_entropy`, or a module of `lossary.nn` or
        `torch.nn` that is made, with its options.
    args, kwargs
        The arguments of the call.

    Returns
    -------
    Findings
        A sequence of `Finding`, the severest first; empty, and false, where no rule found anything. Printed, it says
        all; `rules` are the codes that looked, `unchecked` those that could not, with the reason.

    Raises
    ------
    TypeError, ValueError
        Where `loss` is none that is known.

    Examples
    --------
    >>> import numpy as np, lossary
    >>> p = np.array([[0.75, 0.125, 0.125]] * 8)
    >>> print(lossary.check("cross_entropy", p, np.zeros(8, int))[0])
    LS101 error  cross_entropy: probabilities passed as logits: softmax applied twice
      input  float64 (8, 3): every value lies in [0, 1], and every row sums to 1 within 0
      why    with 3 classes no row's loss can fall below 0.5514; here the mean is 0.7278
      fix    leave out the softmax before the loss; or, of probabilities: nll_loss(np.log(input), target)
    """
    record, fixed = resolve(loss)
    arguments, refusal = _bind(record, args, {**fixed, **kwargs})
    if any(map(is_unreadable, arguments.values())):
        reason = (
            "its arrays cannot be read here: inside torch.compile, vmap or jax.jit, on the meta device, "
            "or in DTensors, whose full_tensor() can"
        )
        return Findings(record.name, unchecked={rule.code: reason for rule in RULES})
    found: list[Finding] = []
    looked: list[str] = []
    unchecked: dict[str, str] = {}
    with np.errstate(all="ignore"):
        call = Call(record, arguments, refusal)
        for rule in RULES:
            if call.refusal and not rule.refused:
                if not rule.words or call.named(*rule.words):
                    unchecked[rule.code] = "the loss refuses the call"
                continue
            try:
                names = rule.arguments(call)
                found += [finding for name in names for finding in _findings(rule, call, name)]
                looked += [rule.code] if names else []
            except Unchecked as reason:
                unchecked[rule.code] = str(reason)
    if len(found) > 1:  # one that says why the loss refuses says it better
        found = [finding for finding in found if finding.code != refused.code]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Findings(record.name, tuple(found), tuple(looked), unchecked, str(call.sample))


def _bind(record: Loss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The arguments by name, or the message of what does not fit."""
    try:
        return record.bind(args, kwargs), ""
    except TypeError as error:
        given = dict(zip(record.signature.parameters, args, strict=False)) | kwargs
        known = {name: x for name, x in given.items() if name in record.signature.parameters}
        return {**record.defaults, **known}, str(error)


def _findings(rule: Rule, call: Call, name: str) -> Iterator[Finding]:
    for seen in rule.look(call, name):
        observed = f"{describe(call, name)}: {seen.observed}" if name else seen.observed
        yield Finding(
            code=rule.code,
            severity=rule.severity,
            loss=call.loss.name,
            argument=name,
            title=rule.title,
            observed=observed,
            why=seen.why or rule.why,
            fix=seen.fix or rule.fix,
            where=seen.where,
            raises=call.refusal if seen.observed != call.refusal else "",
        )
