"""Which loss is meant, and with what arguments: by function, name or module, Lossary's or torch's."""

import difflib
from collections.abc import Callable
from typing import Any

from lossary.core.arrays import imported
from lossary.core.record import CATALOGUE, Loss

Fixed = dict[str, Any]
"""The options that a module holds."""


def resolve(loss: Callable[..., Any] | str, caller: str = "check") -> tuple[Loss, Fixed]:
    """The record of a loss, and the options that are fixed. TypeError or ValueError where it is none that is known."""
    if isinstance(loss, str):
        return _named(loss, caller), {}
    record = getattr(loss, "loss", None)
    torch = imported("torch")
    if torch is not None and isinstance(loss, torch.nn.Module):
        return _module(loss, caller)
    if isinstance(record, Loss) and not isinstance(loss, type):
        return record, {}
    name = getattr(loss, "__name__", "")
    if torch is not None and name in CATALOGUE and getattr(torch.nn.functional, name, None) is loss:
        return CATALOGUE[name], {}
    made = f": pass one that is made, {name}()" if isinstance(loss, type) else ""
    raise TypeError(
        f"{caller}: loss is {loss!r}{made}; it must be a loss of Lossary or of torch: a function, a module or a name. "
        "lossary.catalogue() lists them"
    )


def _named(name: str, caller: str) -> Loss:
    if name not in CATALOGUE:
        likely = difflib.get_close_matches(name, CATALOGUE, n=3)
        meant = f" Did you mean {' or '.join(likely)}?" if likely else ""
        raise ValueError(f"{caller}: no loss is called {name!r}.{meant} lossary.catalogue() lists them")
    return CATALOGUE[name]


def _module(module: Any, caller: str) -> tuple[Loss, Fixed]:
    """The loss of a module of lossary.nn or torch.nn, or of a subclass of one."""
    from lossary import nn  # which imports torch: it is there

    known = {of.__name__: of for of in nn.loss_modules()}
    for kind in type(module).__mro__:
        if kind.__module__.partition(".")[0] in ("torch", "lossary") and kind.__name__ in known:
            own = known[kind.__name__]
            if "__init__" in vars(own):
                name = own.loss.name
                raise TypeError(f"{caller}: {own.__name__} holds parameters; pass {name!r}, and them as its arguments")
            return own.loss, {name: getattr(module, name) for name in own.option_names if hasattr(module, name)}
    raise TypeError(f"{caller}: loss is {module!r}; lossary.nn has no module of that name")
