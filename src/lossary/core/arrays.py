"""Whose array is this?

Array libraries are found through ``sys.modules``: a library that the caller did not import is never imported here.
What differs between libraries and is not in the array API standard (stopping a gradient, scanning over time,
reading a value on the host) stands in this file and nowhere else.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
"""An array of NumPy, torch, JAX or any other library that follows the array API standard."""

# Tuples and not unions: torch.compile traces isinstance over tuples.
NUMPY = (np.ndarray, np.generic)
CONVERTIBLE = (bool, int, float, list, tuple, *NUMPY)


def is_torch(x: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def is_jax(x: object) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.Array)


def is_array(x: object) -> bool:
    return isinstance(x, NUMPY) or is_torch(x) or hasattr(x, "__array_namespace__")


def library(x: Array) -> str:
    """The name of the library that `x` belongs to."""
    if is_torch(x):
        return "torch"
    if is_jax(x):
        return "jax"
    return "numpy" if isinstance(x, NUMPY) else type(x).__module__.partition(".")[0]


def namespace(x: Array) -> Any:
    """The array API namespace of `x`."""
    if is_torch(x):
        import array_api_compat.torch as xp

        return xp
    if isinstance(x, NUMPY):
        import array_api_compat.numpy as xp

        return xp
    return x.__array_namespace__()


def size(x: Array) -> int:
    """The number of elements (`x.size` is a method in torch)."""
    return math.prod(x.shape)


def kind(x: Array) -> str:
    """ "float", "integer", "bool" or "complex"."""
    if is_torch(x):
        dtype = x.dtype
        if dtype.is_floating_point:
            return "float"
        return "complex" if dtype.is_complex else "bool" if dtype == sys.modules["torch"].bool else "integer"
    if isinstance(x, NUMPY):
        return {"f": "float", "i": "integer", "u": "integer", "b": "bool", "c": "complex"}.get(x.dtype.kind, "other")
    xp = namespace(x)
    names = {"real floating": "float", "integral": "integer", "bool": "bool", "complex floating": "complex"}
    return next(name for standard, name in names.items() if xp.isdtype(x.dtype, standard))


def dtype_name(x: Array) -> str:
    return str(x.dtype).removeprefix("torch.").removeprefix("array_api_strict.")


def as_array(x: Any, like: Array) -> Any:
    """Numbers, lists and NumPy arrays as arrays of the library and on the device of `like`; others as they are."""
    if isinstance(x, CONVERTIBLE):
        return namespace(like).asarray(x, device=like.device) if is_torch(like) else namespace(like).asarray(x)
    return x


def result_dtype(arrays: list[Array]) -> Any:
    """The dtype that the arrays promote to."""
    dtype = arrays[0].dtype
    if all(x.dtype == dtype for x in arrays):
        return dtype
    return namespace(arrays[0]).result_type(*(x.dtype for x in arrays))


def compute_dtype(x: Array, dtype: Any) -> Any:
    """The dtype to compute in: half precision is computed and summed in fp32, and rounded once at the end."""
    return namespace(x).float32 if str(dtype).endswith("float16") else dtype


def cast(x: Array, dtype: Any) -> Array:
    return x if x.dtype == dtype else namespace(x).astype(x, dtype)


def cast_index(x: Array) -> Array:
    """`x` in a dtype that can index: small and unsigned integers cannot be compared with -100."""
    xp = namespace(x)
    return cast(x, xp.int32 if is_jax(x) and x.dtype != xp.int64 else xp.int64)


def full(shape: tuple[int, ...], value: float, like: Array) -> Array:
    """An array of one value, of the dtype and on the device of `like`."""
    xp = namespace(like)
    if is_torch(like):
        return xp.full(shape, value, dtype=like.dtype, device=like.device)
    return xp.full(shape, value, dtype=like.dtype)


def arange(n: int, like: Array) -> Array:
    """0, 1, ..., n - 1, of the dtype and on the device of `like`."""
    xp = namespace(like)
    return xp.arange(n, dtype=like.dtype, device=like.device) if is_torch(like) else xp.arange(n, dtype=like.dtype)


def detach(x: Array) -> Array:
    """`x` as a constant: no derivative of any order flows through it."""
    if is_torch(x):
        return x.detach()
    if is_jax(x):
        return sys.modules["jax"].lax.stop_gradient(x)
    return x


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is tracing this call."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


def is_transformed(x: Array) -> bool:
    """Whether `x` stands for another tensor inside vmap, torch.func.grad or torch.func.jvp."""
    if not is_torch(x) or is_compiling():
        return False
    return sys.modules["torch"]._C._functorch.is_functorch_wrapped_tensor(x)


def is_concrete(x: Array) -> bool:
    """Whether the values of `x` can be read on the host now, at no cost of a device synchronisation."""
    if is_torch(x):
        torch = sys.modules["torch"]
        if torch.compiler.is_compiling() or type(x) not in (torch.Tensor, torch.nn.Parameter):
            return False
        return x.device.type == "cpu" and not is_transformed(x)
    if is_jax(x):
        jax = sys.modules["jax"]
        return not isinstance(x, jax.core.Tracer) and all(d.platform == "cpu" for d in x.devices())
    return True


def to_numpy(x: Array) -> np.ndarray:
    """`x` on the host; only where its values can be read."""
    # torch's numpy() detaches, which functorch wraps; tolist() does not.
    return np.asarray(x.tolist()).reshape(x.shape) if is_torch(x) else np.asarray(x)


def scan(step: Callable[[Array, tuple[Array, ...]], Array], state: Array, xs: tuple[Array, ...]) -> Array:
    """The state that `step` ends in along the first axis of `xs`."""
    if is_jax(state):
        return sys.modules["jax"].lax.scan(lambda carry, x: (step(carry, x), None), state, xs)[0]
    for t in range(xs[0].shape[0]):
        state = step(state, tuple(x[t, ...] for x in xs))
    return state
