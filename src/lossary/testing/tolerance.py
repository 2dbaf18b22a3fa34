"""How far a computed number may lie from the true one."""

import numpy as np

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LARGEST = {"float64": np.finfo(np.float64).max, "float32": np.finfo(np.float32).max}
SMALLEST = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-24, "bfloat16": 2.0**-126}


def allowed(true: np.ndarray, scale: float | np.ndarray, dtype: str, operations: float = 16.0) -> np.ndarray:
    """The error that rounding explains: some `operations`, each on numbers as large as the answer or the input.

    scale: the largest finite magnitude of the inputs, of all or of each row; differences cancel, its rounding remains.
    Half precision is computed in fp32 and rounded once: half a unit in its last place, and fp32's own error.
    """
    size = np.abs(np.where(np.isfinite(true), true, 0.0))
    if dtype in ("float16", "bfloat16"):
        once = 0.501 * EPSILON[dtype] * size + 0.501 * SMALLEST[dtype]
        return once + operations * EPSILON["float32"] * (size + scale)
    return operations * EPSILON[dtype] * (size + scale)


def assert_close(
    got: np.ndarray, true: np.ndarray, scale: float | np.ndarray, dtype: str, what: str, operations: float = 16.0
) -> None:
    """Every element of `got` is as near to `true` as rounding allows; where `true` is NaN anything will do."""
    assert got.shape == true.shape, f"{what}: shape {got.shape}, and it should be {true.shape}"
    same = (got == true) | np.isnan(true)
    with np.errstate(invalid="ignore"):
        near = np.abs(got - true) <= allowed(true, scale, dtype, operations)
    wrong = ~(same | near)
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong)) if got.ndim else ()
        limit = float(allowed(true, scale, dtype, operations)[at])
        raise AssertionError(
            f"{what}: {got[at]!r} at {list(at)}, and it should be {true[at]!r} "
            f"(allowed error {limit:.3g}; {int(wrong.sum())} of {wrong.size} wrong)"
        )
