"""Arrays of any library as NumPy arrays."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossary.core.arrays import Array, is_array, is_jax, is_torch, is_traced, kind


def host(x: Array) -> np.ndarray:
    """`x` as a NumPy array in float64, int64 or bool."""
    if is_torch(x):
        x = (x.double() if x.is_floating_point() else x).numpy(force=True)
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x.astype(np.int64, copy=False)
    return x if x.dtype.kind == "b" else x.astype(np.float64, copy=False)


def to_cpu(x: Any) -> Any:
    """A tensor or JAX array without its gradient and on the CPU; anything else as it is."""
    if is_torch(x):
        return x.detach().cpu()
    if is_jax(x) and any(device.platform != "cpu" for device in x.devices()):
        import jax

        return jax.device_put(x, jax.devices("cpu")[0])
    return x


def is_unreadable(x: object) -> bool:
    """Whether an array holds no values that could be looked at: a tracer, or a tensor on the meta device."""
    return is_array(x) and kind(x) != "other" and (is_traced(x) or bool(getattr(x, "is_meta", False)))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of a loss: rules say the same with the numbers of the call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
