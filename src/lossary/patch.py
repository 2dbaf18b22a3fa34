"""Existing code on Lossary's losses: torch's own functions, on loan, run Lossary's bodies.

A function's body is its `__code__`. Python lets it be exchanged, and whoever holds the function, under whatever name
and wherever, then runs the new one; putting the old one back leaves nothing behind
(docs/decisions/0004-patch-torch.md).
"""

import inspect
import threading
import warnings
from collections.abc import Callable, Collection
from types import FunctionType, ModuleType
from typing import Any, Self

from lossary.core import dtensors
from lossary.core.arrays import imported
from lossary.core.dynamo import make_traced
from lossary.core.record import Loss, catalogue


def patch_torch(*losses: str, without: str | Collection[str] = ()) -> "Patch":
    """Run code that was written for torch.nn.functional and torch.nn on Lossary's losses.

    As a context manager it ends with the block; called plainly, with `undo()` of what it answers. Patches may be nested
    and undone in any order: a function of torch returns to its own body with the last patch that covers it.

    The functions stay the objects they are, so that every reference to them follows: `from torch.nn.functional import
    mse_loss` of long ago, `functools.partial`, default arguments, modules made before, and torch's own uses
    (`torch.distributions.Bernoulli`). Signatures, pickles and, in eager code, tensor subclasses that override a loss
    (`__torch_function__`) are as without. `torch.compile` and `torch.export` trace Lossary. Calls with DTensors
    stay torch's own. The patch holds in the whole process, in all threads.

    Not reached: torch's operators below (`torch.binary_cross_entropy_with_logits`, `torch.ctc_loss`, `torch.ops.aten`),
    losses that code spells out in operations of its own, and what `torch.jit.script` compiles. Code that was compiled
    before is compiled again, but where it makes a `CrossEntropyLoss()` of its own: then call `torch.compiler.reset()`.

    Parameters
    ----------
    losses : str
        Names of torch.nn.functional; none means every loss that Lossary has.
    without : str or collection of str
        Names to leave as they are.

    Raises
    ------
    ValueError
        For a name that is not a loss of both libraries.
    RuntimeError
        Where another library has put a function of its own in the place of torch's.

    Examples
    --------
    >>> import lossary, torch
    >>> padding = torch.zeros(1, 3), torch.tensor([-100])
    >>> with lossary.patch_torch() as patch:
    ...     torch.nn.CrossEntropyLoss()(*padding)
    tensor(0.)
    >>> torch.nn.CrossEntropyLoss()(*padding)
    tensor(nan)
    """
    try:
        import torch.nn.functional as theirs
    except ImportError as error:
        raise ImportError("lossary.patch_torch needs torch: pip install torch") from error

    shared = {loss.name: loss for loss in catalogue() if hasattr(theirs, loss.name)}
    without = (without,) if isinstance(without, str) else without
    for name in (*losses, *without):
        if name not in tuple(shared):
            known = ", ".join(shared)
            raise ValueError(
                f"patch_torch: {name!r} is not the name of a loss of torch and Lossary; they share {known}"
            )
    return Patch([(_original(theirs, name), shared[name]) for name in losses or shared if name not in without])


class Patch:
    """Losses of torch that run on Lossary until `undo()`, or until the `with` block ends."""

    def __init__(self, functions: list[tuple[FunctionType, Loss]]) -> None:
        self.losses = tuple(loss.name for _, loss in functions)
        self._loans = [_borrow(function, loss) for function, loss in functions]

    def undo(self) -> None:
        """Give torch's functions their own bodies back, unless another patch still covers them. Twice is once."""
        loans, self._loans = self._loans, []
        for loan in loans:
            _give_back(loan)

    def __enter__(self) -> Self:
        if not self._loans and self.losses:
            raise RuntimeError("this patch has been undone: call lossary.patch_torch() for another")
        return self

    def __exit__(self, *error: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        state = "on Lossary" if self._loans else "undone"
        return f"torch.nn.functional, {state}: {', '.join(self.losses)}"


class _Loan:
    """A function of torch, with what it is made of while it runs on Lossary, and how many patches cover it."""

    def __init__(self, function: FunctionType, loss: Loss) -> None:
        self.function, self.patches = function, 0
        self.code, self.keywords = function.__code__, function.__kwdefaults__
        self.undo_tracing = make_traced(function)
        torchs = _copy(function)
        function.__wrapped__ = torchs  # type: ignore[attr-defined]  # inspect shows it, torch.jit.script compiles it
        # The body comes last, and goes first: other threads may call the function meanwhile.
        function.__kwdefaults__ = {**(self.keywords or {}), "_run": _runner(function, torchs, loss)}
        function.__code__ = _body.__code__

    def give_back(self) -> None:
        self.function.__code__ = self.code
        self.function.__kwdefaults__ = self.keywords
        del self.function.__wrapped__  # type: ignore[attr-defined]
        self.undo_tracing()


_loans: dict[FunctionType, _Loan] = {}
_lock = threading.Lock()


def _borrow(function: FunctionType, loss: Loss) -> _Loan:
    with _lock:
        if function not in _loans:
            _loans[function] = _Loan(function, loss)
        _loans[function].patches += 1
        return _loans[function]


def _give_back(loan: _Loan) -> None:
    with _lock:
        loan.patches -= 1
        if loan.patches == 0:
            del _loans[loan.function]
            loan.give_back()


def _body(*args: Any, _run: Callable[..., Any], **kwargs: Any) -> Any:
    return _run(*args, **kwargs)


def _runner(function: FunctionType, torchs: FunctionType, loss: Loss) -> Callable[..., Any]:
    """What `function` runs on loan: Lossary's `loss`, or `torchs`, its own body, where only that is safe."""
    from torch.compiler import is_compiling, is_dynamo_compiling, is_exporting
    from torch.overrides import handle_torch_function, has_torch_function

    def run(*args: Any, **kwargs: Any) -> Any:
        operands = (*args, *kwargs.values())
        if is_dynamo_compiling():
            return torchs(*args, **kwargs) if dtensors.are_among(operands) else loss.public(*args, **kwargs)
        if is_compiling() and not is_exporting():  # run by the compiler as a node of a graph, and not traced
            warnings.warn(
                f"patch_torch: torch.compile runs torch's own {loss.name} in a node of its graph", stacklevel=2
            )
            return torchs(*args, **kwargs)
        if has_torch_function(operands):
            return handle_torch_function(function, operands, *args, **kwargs)
        if imported(dtensors.MODULE) is not None and dtensors.are_among(operands):
            return torchs(*args, **kwargs)
        return loss.public(*args, **kwargs)

    return run


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy.__kwdefaults__, copy.__annotations__ = function.__kwdefaults__, function.__annotations__
    return copy


def _original(theirs: ModuleType, name: str) -> FunctionType:
    """torch's own function, also from under the wrapper of a profiler."""
    found = getattr(theirs, name)
    function = inspect.unwrap(found, stop=lambda wrapper: wrapper in _loans)
    if not isinstance(function, FunctionType) or function.__globals__ is not vars(theirs):
        raise RuntimeError(
            f"patch_torch: torch.nn.functional.{name} has been replaced by {found!r}. "
            f"Undo that first, or leave it out: lossary.patch_torch(without=[{name!r}])"
        )
    return function
