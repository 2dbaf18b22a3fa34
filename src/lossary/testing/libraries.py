"""The array libraries that losses are held to, behind one face: arrays, derivatives, transforms."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

Function = Callable[[Any], Any]


class Library:
    """NumPy: arrays, and nothing that differentiates or compiles."""

    name = "numpy"
    dtypes: tuple[str, ...] = ("float64", "float32", "float16")
    differentiates = False

    def context(self, dtype: str) -> AbstractContextManager[Any]:
        """What must hold while arrays of `dtype` live."""
        return nullcontext()

    def array(self, x: np.ndarray, dtype: str) -> Any:
        """`x` as an array of this library; integers stay integers. It may be read-only: no loss writes to it."""
        copy = np.array(x, dtype=dtype if x.dtype.kind == "f" else x.dtype)
        copy.flags.writeable = False
        return copy

    def numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x, dtype=np.float64)

    def gradient(self, f: Function, x: Any) -> Any:
        raise NotImplementedError(f"{self.name} does not differentiate")

    def gradient_inside(self, f: Function, x: Any) -> Any:
        """The gradient as part of a function that is differentiated itself."""
        raise NotImplementedError(f"{self.name} does not differentiate")

    def jvp(self, f: Function, x: Any, v: Any) -> Any:
        raise NotImplementedError(f"{self.name} does not differentiate")

    def vmap(self, f: Function) -> Function:
        raise NotImplementedError(f"{self.name} does not vectorise")

    def compiled(self, f: Function) -> Function:
        raise NotImplementedError(f"{self.name} does not compile")


class Strict(Library):
    """array_api_strict: the standard and nothing more."""

    name = "array_api_strict"
    dtypes = ("float64", "float32")

    def array(self, x: np.ndarray, dtype: str) -> Any:
        import array_api_strict as xp

        return xp.asarray(x, dtype=getattr(xp, dtype) if x.dtype.kind == "f" else None)


class Torch(Library):
    name = "torch"
    dtypes = ("float64", "float32", "float16", "bfloat16")
    differentiates = True

    def __init__(self, backend: str = "aot_eager") -> None:
        self.backend = backend

    def array(self, x: np.ndarray, dtype: str) -> Any:
        import torch

        return torch.tensor(x, dtype=getattr(torch, dtype) if x.dtype.kind == "f" else None)

    def numpy(self, x: Any) -> np.ndarray:
        return x.detach().double().numpy(force=True)

    def gradient(self, f: Function, x: Any) -> Any:
        import torch

        x = x.detach().requires_grad_()
        y = f(x)
        return torch.autograd.grad(y, x)[0] if y.requires_grad else torch.zeros_like(x)

    def gradient_inside(self, f: Function, x: Any) -> Any:
        import torch

        return torch.autograd.grad(f(x), x, create_graph=True)[0]

    def jvp(self, f: Function, x: Any, v: Any) -> Any:
        import torch

        return torch.func.jvp(f, (x,), (v,))[1]

    def vmap(self, f: Function) -> Function:
        import torch

        return torch.func.vmap(f)

    def compiled(self, f: Function) -> Function:
        import torch

        torch.compiler.reset()
        return torch.compile(f, fullgraph=True, backend=self.backend)


class Jax(Library):
    name = "jax"
    dtypes = ("float64", "float32", "float16", "bfloat16")
    differentiates = True

    def context(self, dtype: str) -> AbstractContextManager[Any]:
        import jax

        return jax.enable_x64(dtype == "float64")

    def array(self, x: np.ndarray, dtype: str) -> Any:
        import jax.numpy as jnp

        return jnp.asarray(x, dtype=getattr(jnp, dtype) if x.dtype.kind == "f" else jnp.int32)

    def numpy(self, x: Any) -> np.ndarray:
        return np.asarray(np.asarray(x), dtype=np.float64)

    def gradient(self, f: Function, x: Any) -> Any:
        import jax

        return jax.jit(jax.grad(f))(x)

    def gradient_inside(self, f: Function, x: Any) -> Any:
        import jax

        return jax.grad(f)(x)

    def jvp(self, f: Function, x: Any, v: Any) -> Any:
        import jax

        return jax.jit(lambda x, v: jax.jvp(f, (x,), (v,))[1])(x, v)

    def vmap(self, f: Function) -> Function:
        import jax

        return jax.jit(jax.vmap(f))

    def compiled(self, f: Function) -> Function:
        import jax

        return jax.jit(f)


LIBRARIES: dict[str, Library] = {library.name: library for library in (Library(), Strict(), Torch(), Jax())}
