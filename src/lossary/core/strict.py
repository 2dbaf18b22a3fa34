"""Strict checking: every documented domain, on every device."""

from collections.abc import Iterator
from contextlib import contextmanager


class _Depth:
    """How many `with strict()` are open. An attribute, and no context variable: torch.compile guards on it."""

    value = 0


depth = _Depth()


@contextmanager
def strict() -> Iterator[None]:
    """Check every documented domain of every loss called inside, in any thread, on every device.

    Outside, values are checked only where that is free: class indices, probabilities, rates and variances on the CPU.
    Inside, also ±1 labels, log-probabilities that are not positive, rows that sum to 1, and finite numbers; -inf stays
    a logit and a log-probability, of a class that is masked out. Ignored rows and rows of weight 0 may hold anything.
    Reading values makes a GPU wait. Where they cannot be read (torch.compile, vmap, jax.jit) a loss raises.

    >>> import numpy as np, lossary
    >>> with lossary.strict():
    ...     lossary.nll_loss(np.array([[0.2, 0.8]]), np.array([1]))
    Traceback (most recent call last):
    ValueError: nll_loss: input holds 0.2 at [0, 0] and 1 more; log-probabilities lie in (-inf, 0]. Pass its log_softmax
    """
    depth.value += 1
    try:
        yield
    finally:
        depth.value -= 1


def is_strict() -> bool:
    return depth.value > 0
