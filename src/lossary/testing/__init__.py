"""Hold a loss to the contract: samples drawn from its signature, and the checks that each loss of Lossary passes.

>>> import lossary
>>> from lossary.testing import LIBRARIES, cases
>>> def oracle(input, target, reduction="mean", **ignored):  # independent of the formula
...     errors = abs(input - target)
...     return {"none": errors, "sum": errors.sum(), "mean": errors.mean()}[reduction]
>>> for case in cases(lossary.l1_loss, oracle, LIBRARIES["numpy"], "float64", seeds=range(2)):
...     CHECKS["dtype"].run(case)
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lossary.core.record import record_of
from lossary.testing.case import Case as Case
from lossary.testing.checks import CHECKS as CHECKS
from lossary.testing.checks import Check as Check
from lossary.testing.libraries import LIBRARIES as LIBRARIES
from lossary.testing.libraries import Library as Library
from lossary.testing.samples import Sample as Sample
from lossary.testing.samples import ordinary


def cases(
    function: Callable[..., Any], oracle: Callable[..., Any], library: Library, dtype: str, seeds: Iterable[int]
) -> Iterator[Case]:
    """One case a seed, drawn from the contract of `function`; `oracle` is its independent definition."""
    record = record_of(function)
    for seed in seeds:
        yield Case(record, function, oracle, ordinary(record, seed), library, dtype)
