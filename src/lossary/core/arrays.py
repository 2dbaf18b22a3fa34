"""Whose array is this?

A library that the caller did not import is never imported here: `imported` finds those that are there. Once an array is
at hand, its library is there too, and is imported where it is used.
What differs between libraries and is not in the array API standard (stopping a gradient, scanning over time,
reading a value on the host) stands in this file and nowhere else.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, TypeVar

import numpy as np

from lossary.core.strict import is_strict

Array = Any
"""An array of NumPy, torch, JAX or any other library that follows the array API standard."""
A = TypeVar("A", bound=Any)
"""The type of a loss's first array, which is that of its answer."""
Reduction = Literal["none", "mean", "sum"]
Impl = Literal["auto", "reference", "fused"]

# Tuples and not unions: torch.compile traces isinstance over tuples.
NUMPY = (np.ndarray, np.generic)
CONVERTIBLE = (bool, int, float, list, tuple, *NUMPY)
WITHOUT_AUTOCAST = frozenset(["fpga", "hip", "ideep", "lazy", "meta", "mkldnn", "opencl", "opengl", "ve", "vulkan"])
"""Types of torch's devices; Dynamo of torch 2.11 cannot trace torch.amp.is_autocast_available."""


def imported(name: str) -> Any:
    """The module of that name, if it has been imported to its end; None while another thread is still at it."""
    module = sys.modules.get(name)
    spec: Any = None if module is None else module.__spec__
    return None if getattr(spec, "_initializing", False) else module  # as Python's own import asks


def is_torch(x: object) -> bool:
    torch = imported("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def is_jax(x: object) -> bool:
    if isinstance(x, NUMPY) or is_torch(x):  # first: torch.compile cannot ask a tensor whether it is of JAX
        return False
    jax = imported("jax")
    return jax is not None and isinstance(x, jax.Array)


def is_array(x: object) -> bool:
    if type(x) in (bool, int, float):  # first: torch.compile cannot ask a traced number for its attributes
        return False
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

        from lossary.core import mkl  # noqa: F401  # before the first call of exp

        return xp
    if isinstance(x, NUMPY):
        import array_api_compat.numpy as xp

        return xp
    return x.__array_namespace__()


def size(x: Array) -> int:
    """The number of elements (`x.size` is a method in torch)."""
    return math.prod(x.shape)


KINDS = {
    "bool": "bool",
    **dict.fromkeys(("float16", "bfloat16", "float32", "float64"), "float"),
    **dict.fromkeys(("complex32", "complex64", "complex128"), "complex"),
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), "integer"),
}


def kind(x: Array) -> str:
    """ "float", "integer", "bool" or "complex"; "other" where no loss computes with `x`, but `plainly` may."""
    if isinstance(x, NUMPY):
        letters = {"f": "float", "i": "integer", "u": "integer", "b": "bool", "c": "complex"}
        return "other" if x.dtype.isbuiltin == 2 else letters.get(x.dtype.kind, "other")  # 2: float8 of ml_dtypes
    found = "other" if layout(x) else KINDS.get(dtype_name(x), "other")
    if found == "other" and not is_torch(x) and namespace(x).isdtype(x.dtype, "integral"):
        return "integer"  # of a few bits, in JAX, which converts them
    return found


def layout(x: Array) -> str:
    """What a tensor is that is no block of numbers in strides: "nested", "sparse_coo", "_mkldnn"; of others ""."""
    if not is_torch(x):
        return ""
    if x.is_nested:
        return "nested"
    if type(x).__name__ == "MaskedTensor":
        return "masked"
    found = str(x.layout).removeprefix("torch.")
    return "" if found == "strided" else found


def plainly(name: str, x: Array) -> str:
    """What makes of `x`, which is called `name` and of kind "other", an array that losses compute with."""
    if not is_torch(x):
        return f"{name}.astype('float32')"
    if layout(x):
        ways = {"nested": f"torch.cat({name}.unbind())", "masked": f"{name}.get_data(), and its mask as sample_weight"}
        return ways.get(layout(x), f"{name}.to_dense()")
    if dtype_name(x).startswith("q"):
        return f"{name}.dequantize()"
    return f"{name}.float()" if x.dtype.is_floating_point else f"{name} unpacked to torch.int64"


def dtype_name(x: Array) -> str:
    return str(x.dtype).removeprefix("torch.").removeprefix("array_api_strict.")


def _is_numeric(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        ranks = {_is_numeric(item) and (len(item) if isinstance(item, (list, tuple)) else -1) for item in x}
        return len(ranks) <= 1 and False not in ranks
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "biuf"
    if type(x) is int and not is_compiling():
        return -(2**63) <= x < 2**63
    return isinstance(x, (bool, int, float)) or is_array(x)


def as_array(x: Any, like: Array) -> Any:
    """Numbers, lists and NumPy arrays as arrays of the library and on the device of `like`; others as they are.

    Floats become fp64 where `like` is fp64: 0.1 keeps its digits. What holds no numbers, or ragged lists, stays as it
    is, for the check to name.
    """
    if not isinstance(x, CONVERTIBLE) or not _is_numeric(x):
        return x
    if not is_torch(like):
        return namespace(like).asarray(x)
    import torch

    wide = torch.float64 if like.dtype == torch.float64 else torch.float32
    if isinstance(x, (bool, int, float)):  # full, not as_tensor: a token count that changes must not recompile
        dtype = torch.bool if isinstance(x, bool) else wide if isinstance(x, float) else torch.int64
        return torch.full((), x, dtype=dtype, device=like.device)
    if isinstance(x, NUMPY):  # torch takes no foreign byte order, no negative strides, no long double
        x = np.array(x, dtype=np.float64 if x.dtype.kind == "f" and x.itemsize > 8 else x.dtype.newbyteorder("="))
    array = torch.as_tensor(x, device=like.device)
    return torch.as_tensor(x, dtype=wide, device=like.device) if array.is_floating_point() else array


def result_dtype(arrays: list[Array]) -> Any:
    """The dtype that the arrays promote to."""
    dtype = arrays[0].dtype
    if all(x.dtype == dtype for x in arrays):
        return dtype
    if is_torch(arrays[0]):  # torch.compile cannot trace result_type
        import torch

        return functools.reduce(torch.promote_types, (x.dtype for x in arrays))
    return namespace(arrays[0]).result_type(*(x.dtype for x in arrays))


def compute_dtype(x: Array, dtype: Any) -> Any:
    """The dtype to compute in: half precision is computed and summed in fp32, and rounded once at the end."""
    return namespace(x).float32 if str(dtype).endswith("float16") else dtype


def cast(x: Array, dtype: Any) -> Array:
    return x if x.dtype == dtype else namespace(x).astype(x, dtype)


def cast_index(x: Array, like: Array) -> Array:
    """`x` in a dtype that can index, on the device of `like`: small and unsigned integers cannot be compared with -100.

    CTC's lengths come from the CPU as a rule.
    """
    xp = namespace(x)
    if str(x.dtype).endswith("uint64"):  # 2**64 - 1 would become -1
        signed = xp.astype(x, xp.int64)
        return cast_index(xp.where(signed < 0, xp.iinfo(xp.int64).max, signed), like)
    x = cast(x, xp.int32 if is_jax(x) and x.dtype != xp.int64 else xp.int64)
    return x.to(like.device) if is_torch(x) and x.device != like.device else x


def size_fits(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether each size is 1 or the other's; one by one, since traced sizes have no hash."""
    return all(a == 1 or a == b for a, b in zip(shape, to, strict=True))


def plain(loss: str, name: str, x: Any) -> Any:
    """`x`, as a plain ndarray where it is of a subclass: `*` multiplies matrices of np.matrix."""
    if not isinstance(x, np.ndarray) or type(x) is np.ndarray:
        return x
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{loss}: {name} is a masked array; pass {name}.data, and sample_weight=~{name}.mask")
    return np.asarray(x)


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


def cumulative_sum(x: Array) -> Array:
    """Of a vector, in its own dtype."""
    return x.cumsum(0, dtype=x.dtype) if is_torch(x) else namespace(x).cumulative_sum(x, dtype=x.dtype)


def take_along(x: Array, index: Array, axis: int) -> Array:
    """x[..., index, ...] along `axis`; `index` has the shape of `x` but for that axis."""
    if is_torch(x):
        return x.gather(axis, index)  # take_along_dim fixes the batch size of compiled code
    return namespace(x).take_along_axis(x, index, axis=axis)


def detach(x: Array) -> Array:
    """`x` as a constant: no derivative of any order flows through it."""
    if is_torch(x):
        return x.detach()
    if is_jax(x):
        import jax

        return jax.lax.stop_gradient(x)
    return x


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is tracing this call."""
    torch = imported("torch")
    return torch is not None and torch.compiler.is_compiling()


def is_transformed(x: Array) -> bool:
    """Whether `x` stands for another tensor inside vmap, torch.func.grad or torch.func.jvp."""
    if not is_torch(x) or is_compiling():
        return False
    import torch

    return torch._C._functorch.is_functorch_wrapped_tensor(x)  # pyright: ignore[reportAttributeAccessIssue]


def may_be_differentiated(x: Array) -> bool:
    """Whether a derivative with respect to `x` may be asked for."""
    if is_torch(x):
        import torch

        wanted = x.requires_grad and torch.is_grad_enabled()
        return wanted or torch.autograd.forward_ad._current_level >= 0 or is_transformed(x)
    return is_traced(x)


def under_autocast(x: Array, dtype: Any) -> Any:
    """The dtype of a loss: fp32 instead of half precision inside torch.autocast, as torch has it."""
    return compute_dtype(x, dtype) if _autocasts(x) else dtype


def _autocasts(x: Array) -> bool:
    if not is_torch(x):
        return False
    import torch

    device = x.device.type
    return device not in WITHOUT_AUTOCAST and torch.is_autocast_enabled(device)


def linear(x: Array, weight: Array) -> Array:
    """Σ_D x[..., D] · weight[..., D] in their own dtype."""
    with _without_autocast(x):
        return namespace(x).tensordot(x, weight, axes=((x.ndim - 1,), (weight.ndim - 1,)))


def matmul(a: Array, b: Array) -> Array:
    """Products of stacks of matrices in their own dtype."""
    with _without_autocast(a):
        return namespace(a).matmul(a, b)


def _without_autocast(x: Array) -> AbstractContextManager[Any]:
    """torch.autocast would round products to half precision."""
    if not _autocasts(x):
        return nullcontext()
    import torch

    return torch.autocast(x.device.type, enabled=False)


def is_traced(x: Array) -> bool:
    """Whether `x` has no values yet, or stands for others: in torch.compile, vmap and its kin, jax.jit."""
    if is_torch(x):
        import torch

        stands_for_another = type(x).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__  # pyright: ignore
        return torch.compiler.is_compiling() or stands_for_another or is_transformed(x)
    if not is_jax(x):
        return False
    import jax

    return isinstance(x, jax.core.Tracer)  # pyright: ignore[reportAttributeAccessIssue]


def is_concrete(x: Array) -> bool:
    """Whether the values of `x` may be read on the host now: where no device has to wait, or under strict checking."""
    if is_traced(x):
        return False
    if is_torch(x):
        return x.device.type == "cpu" or is_strict()
    return not is_jax(x) or is_strict() or all(d.platform == "cpu" for d in x.devices())


def to_numpy(x: Array) -> np.ndarray:
    """`x` on the host; only where its values can be read."""
    # torch's numpy() detaches, which functorch wraps; tolist() does not.
    return np.asarray(x.tolist()).reshape(x.shape) if is_torch(x) else np.asarray(x)


def pairwise_sum(x: Array) -> Array:
    """The sums of a JAX array along its last axis by halves; XLA on the CPU adds one by one."""
    import jax

    return jax.jit(_halved)(x)


def _halved(x: Array) -> Array:
    xp = namespace(x)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        x = xp.concatenate([x[..., :half] + x[..., half : 2 * half], x[..., 2 * half :]], axis=-1)
    return x[..., 0]


def scan(step: Callable[[Any, Any], Any], state: Any, xs: tuple[Array, ...]) -> Any:
    """The state, an array or a tuple of them, that `step` ends in along the first axis of `xs`."""
    if is_jax(xs[0]):
        import jax

        return jax.lax.scan(lambda carry, x: (step(carry, x), None), state, xs)[0]
    for row in zip(*(_along_first(x) for x in xs), strict=True):
        state = step(state, row)
    return state


def by_rows(function: Callable[..., Any], axes: int, most: int, *arrays: Array) -> Any:
    """What `function` answers, an array or a named tuple of them, of all rows: at most so many of them at a time.

    The first axes of the arrays count rows; `function` gets them as one axis, of itself and of its answer.
    """
    xp, shape = namespace(arrays[0]), tuple(arrays[0].shape[:axes])
    rows = math.prod(shape)
    flat = [xp.reshape(x, (rows, *x.shape[axes:])) for x in arrays]
    found = function(*flat) if is_torch(flat[0]) or rows <= most else _in_parts(function, most, flat)
    return _each(lambda x: xp.reshape(x, (*shape, *x.shape[1:])), found)


def _in_parts(function: Callable[..., Any], most: int, arrays: list[Array]) -> Any:
    """JAX scans, and makes what a part needs for its derivative again; torch would keep it, part by part."""
    xp, rows, parts = namespace(arrays[0]), arrays[0].shape[0], []
    begin = 0
    if is_jax(arrays[0]):
        import jax

        begin = rows // most * most
        function = jax.checkpoint(function)
        stacked = tuple(xp.reshape(x[:begin, ...], (-1, most, *x.shape[1:])) for x in arrays)
        scanned = jax.lax.map(lambda part: function(*part), stacked)
        parts = [_each(lambda x: xp.reshape(x, (begin, *x.shape[2:])), scanned)]
    parts += [function(*(x[i : i + most, ...] for x in arrays)) for i in range(begin, rows, most)]
    return _each(lambda *of_parts: xp.concat(of_parts), *parts)


def _each(change: Callable[..., Array], *answers: Any) -> Any:
    """`change` of the answers, which are arrays; or of what they have in each place, where they are named tuples."""
    if is_array(answers[0]):
        return change(*answers)
    return type(answers[0])(*(None if x[0] is None else change(*x) for x in zip(*answers, strict=True)))


def _along_first(x: Array) -> Sequence[Array]:
    """x[0], x[1], ...; torch at once, since the backward of each x[t] alone would write zeros over all of x."""
    return x.unbind() if is_torch(x) else [x[t, ...] for t in range(x.shape[0])]
