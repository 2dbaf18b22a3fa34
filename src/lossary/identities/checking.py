"""Checking identities numerically."""

import contextlib
import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossary.core.arrays import detach
from lossary.identities.all_identities import IDENTITIES
from lossary.identities.identity import DIFFERENCES_ERROR, Identity, Inputs

LIBRARIES = ("numpy", "torch", "jax", "array_api_strict")
DTYPES = ("float32", "float64")
Data = tuple[np.ndarray, np.ndarray]
"""Predictions (logits, or regression values) and targets."""


@dataclass(frozen=True)
class Checked:
    """How far the two sides of an identity were apart.

    largest_error: relative to max(|left|, |right|, unit), the largest over all samples; for inequalities by how much
    they are violated; for "less" and "differs" 0 if they hold and inf if not. NaN on either side counts as inf.
    """

    identity: Identity
    library: str
    dtype: str
    largest_error: float
    allowed: float

    @property
    def holds(self) -> bool:
        return self.largest_error <= self.allowed


def check(
    identity: Identity,
    library: str = "numpy",
    dtype: str = "float64",
    *,
    seed: int = 0,
    samples: int = 3,
    extreme: bool = True,
    data: Data | None = None,
) -> Checked:
    """Compute both sides of an identity and compare them.

    `library` is "numpy", "torch", "jax" or "array_api_strict", `dtype` "float32" or "float64". The sides are computed
    on `samples` random batches and, if `extreme`, as many extreme ones; or on `data`, (predictions, target), alone.

    Raises ValueError for an unknown library or dtype and for data outside the identity's domain, ImportError where
    the library is not installed.

    >>> from lossary.identities import IDENTITIES
    >>> check(IDENTITIES[0]).holds
    True
    """
    if library not in LIBRARIES:
        raise ValueError(f"check: library is {library!r}; it must be one of {', '.join(LIBRARIES)}")
    if dtype not in DTYPES:
        raise ValueError(f"check: dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    if data is None:
        rng = np.random.default_rng(seed)
        draws = [False] * samples + [True] * (samples if extreme else 0)
        batches = [identity.inputs.sample(rng, is_extreme) for is_extreme in draws]
    else:
        batches = [_adopt(identity, data)]
    xp = _import(library)
    with _precision(library, dtype), np.errstate(all="ignore"):
        largest = max((_error(identity, _convert(batch, xp, dtype)) for batch in batches), default=0.0)
    return Checked(identity, library, dtype, largest, _allowed(identity, library, dtype))


def verify(
    libraries: Iterable[str] | None = None,
    dtypes: Iterable[str] = DTYPES,
    *,
    seed: int = 0,
    samples: int = 3,
    extreme: bool = True,
    data: Data | None = None,
) -> list[Checked]:
    """Check every identity with every library and dtype; with `data`, every identity whose domain they lie in.

    `libraries` are those of NumPy, torch and JAX that are installed if None. Raises ValueError where `data` lie in no
    domain. A few thousand rows of data tell as much as all: long sums only round more.
    """
    if libraries is None:
        libraries = [name for name in ("numpy", "torch", "jax") if importlib.util.find_spec(name)]
    data = None if data is None else _numbers("verify", data)
    fitting = [i for i in IDENTITIES if data is None or i.inputs.adopt(*data) is not None]
    if not fitting:
        raise ValueError(f"verify: {_describe(data)} lie in the domain of no identity; {_EXPECTED}")
    pairs = [(library, dtype) for library in libraries for dtype in dtypes]
    return [
        check(identity, library, dtype, seed=seed, samples=samples, extreme=extreme, data=data)
        for identity in fitting
        for library, dtype in pairs
    ]


def worked(identity: Identity, *, seed: int = 0, data: Data | None = None) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """One example of an identity: inputs, and what its sides are; a single row where rows stand alone, else a batch."""
    inputs = identity.inputs.sample(np.random.default_rng(seed), False) if data is None else _adopt(identity, data)
    left, right = _sides(identity, inputs)
    for row in sorted(range(len(left) if left.ndim else 0), key=lambda row: not left[row].any()):
        alone = {n: x[row : row + 1] if np.ndim(x) and len(x) == len(left) else x for n, x in inputs.items()}
        try:
            sides = _sides(identity, alone)
        except (ValueError, IndexError):  # a batch of one is none to this identity
            break
        of_row = (left[row : row + 1], right[row : row + 1] if right.ndim else right)
        if all(np.allclose(one, other) for one, other in zip(sides, of_row, strict=True)):
            return alone, *sides
        break
    return inputs, left, right


def _sides(identity: Identity, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        left, right = (np.asarray(detach(side(**inputs)), np.float64) for side in (identity.left, identity.right))
    return left, right


_EXPECTED = (
    "they must be finite predictions (N, C) with class labels (N,) or probabilities (N, C), or predictions and targets "
    "of one shape, binary or real"
)


def _numbers(function: str, data: Data) -> Data:
    predictions, target = (np.asarray(x) for x in data)
    for name, x, kinds in (("predictions", predictions, "fiu"), ("target", target, "fiub")):
        if x.dtype.kind not in kinds:
            raise ValueError(f"{function}: {name} of dtype {x.dtype} cannot be compared; give numbers")
    return predictions.astype(np.float64, copy=False), target


def _describe(data: Data | None) -> str:
    shapes = [tuple(x.shape) for x in data or ()]
    return f"predictions and targets of shapes {' and '.join(map(str, shapes))}"


def _adopt(identity: Identity, data: Data) -> Inputs:
    inputs = identity.inputs.adopt(*_numbers("check", data))
    if inputs is None:
        raise ValueError(f"check: {_describe(data)} do not lie in the domain of {identity.name}: {identity.domain}")
    return inputs


def _import(library: str) -> Any:
    modules = {"numpy": "numpy", "torch": "torch", "jax": "jax.numpy", "array_api_strict": "array_api_strict"}
    try:
        return importlib.import_module(modules[library])
    except ImportError as error:
        raise ImportError(f"check: {library} is not installed; pip install {library}, or choose another") from error


@contextlib.contextmanager
def _precision(library: str, dtype: str) -> Iterator[None]:
    """JAX computes in float64 only where it is told to; told here, and nowhere else."""
    if library != "jax":
        yield
        return
    import jax

    with jax.enable_x64(dtype == "float64"):
        yield


def _convert(batch: Inputs, xp: Any, dtype: str) -> Inputs:
    def convert(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        x = np.ascontiguousarray(x)
        x = x if x.flags.writeable else x.copy()  # torch warns of read-only memory
        return xp.asarray(x, dtype=getattr(xp, dtype)) if x.dtype.kind == "f" else xp.asarray(x)

    return {name: convert(value) for name, value in batch.items()}


def _error(identity: Identity, inputs: Inputs) -> float:
    left, right = (np.asarray(detach(side(**inputs)), np.float64) for side in (identity.left, identity.right))
    if right.ndim and left.shape != right.shape:
        raise ValueError(f"{identity.name}: the sides have shapes {left.shape} and {right.shape}; they must be equal")
    if np.isnan(left).any() or np.isnan(right).any():
        return np.inf
    difference = np.subtract(left, right, out=np.zeros_like(left), where=left != right)
    scale = np.maximum(np.maximum(abs(left), abs(right)), identity.unit)
    relative = np.where(np.isinf(difference), difference, difference / np.where(scale == 0, 1, scale))
    match identity.relation:
        case "equal":
            errors = abs(relative)
        case "at_least":
            errors = np.maximum(-relative, 0)
        case "less":
            return 0.0 if (difference < 0).all() else np.inf
        case "differs":
            return 0.0 if (abs(relative) > 1e-3).any() else np.inf
    return float(errors.max(initial=0.0))


def _allowed(identity: Identity, library: str, dtype: str) -> float:
    if identity.relation in ("less", "differs"):
        return 0.0
    rounding = identity.ulps * float(np.finfo(dtype).eps)
    return rounding + (DIFFERENCES_ERROR if identity.differentiates and library not in ("torch", "jax") else 0.0)
