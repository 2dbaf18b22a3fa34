"""What findings say of a call: its arguments, places in them, and the call as code that can be pasted."""

from typing import Any

import numpy as np

from lossary.core.arrays import dtype_name, is_array, is_torch, library
from lossary.misuse.call import Call
from lossary.misuse.measures import sum_errors

SHOWN = 3
"""Positions that a finding names."""


def describe(call: Call, name: str) -> str:
    """ "float32 (64, 10)" """
    x = call.arguments[name]
    return f"{dtype_name(x)} {tuple(x.shape)}" if is_array(x) else type(x).__name__


def share(wrong: np.ndarray, of: int | None = None) -> str:
    """ "3 of 10", of the elements of a mask that are True."""
    return f"{np.count_nonzero(wrong):,} of {wrong.size if of is None else of:,}"


def distinct(x: np.ndarray, most: int = 6) -> str:
    """The values of `x`, where they are few: "{0, 255}"."""
    values = np.unique(x)
    shown = ", ".join(f"{v:g}" for v in values[:most])
    return f"{{{shown}{', ...' if len(values) > most else ''}}}"


def distributions_seen(rows: np.ndarray) -> str:
    return f"every value lies in [0, 1], and every row sums to 1 within {sum_errors(rows).max():.2g}"


def places(wrong: np.ndarray) -> str:
    """The first places of a mask that are True: "[0, 1], [0, 2] and 5 more"."""
    return _listed(np.argwhere(wrong)) if wrong.ndim else ""


def row_places(call: Call, wrong: np.ndarray) -> str:
    """The first places of rows that count, as indices into the unreduced loss."""
    if not call.rows_shape:
        return ""
    found = np.argwhere(call.kept)[np.flatnonzero(wrong)]
    if call.sample.places is not None:
        axis = call.rows_axes.index(call.sample.axis)
        found[:, axis] = call.sample.places[found[:, axis]]
    return _listed(found)


def _listed(indices: np.ndarray) -> str:
    shown = ", ".join(str(index.tolist()) for index in indices[:SHOWN])
    return shown + (f" and {len(indices) - SHOWN:,} more" if len(indices) > SHOWN else "")


def paste(call: Call, function: str = "", **changes: str) -> str:
    """The call as code, under another name or with other arguments; one that becomes "" is left out."""
    parts = []
    for name, default in ((name, call.loss.defaults.get(name)) for name in call.loss.signature.parameters):
        value, is_required = call.arguments.get(name), call.is_required(name)
        if name in changes:
            text = changes[name]
        elif name in call.loss.data:
            text = "" if value is None and not is_required else name
        else:
            is_default = not is_array(value) and (value is default or value == default)
            text = "" if is_default else name if is_array(value) or callable(value) else _literal(value)
        if text:
            parts.append(text if is_required else f"{name}={text}")
    return f"{function or call.loss.name}({', '.join(parts)})"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def applied(call: Call, method: str, name: str) -> str:
    """`log` or `exp` of an argument, in the words of its library."""
    return said(call, name, torch=f"{name}.{method}()", numpy=f"np.{method}({name})")


def normalised(call: Call, function: str, name: str, axis: int) -> str:
    """`softmax` or `log_softmax` of an argument along an axis, in the words of its library."""
    given = f"{function}({name}, {axis})"
    own = f"{name}.{function}({axis})"
    return said(call, name, torch=own, numpy=f"scipy.special.{given}", jax=f"jax.nn.{given}")


def said(call: Call, name: str, *, torch: str, numpy: str, jax: str = "") -> str:
    """What is said in the library of an argument."""
    own = library(call.arguments[name])
    if own == "jax":
        return jax or numpy.replace("np.", "jnp.")
    return numpy if own == "numpy" else torch


def is_tensor(call: Call, name: str) -> bool:
    return is_torch(call.arguments[name])
