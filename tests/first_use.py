"""What a process may do first with a loss. Run as a program it imports torch, and forks a child for each line that it
reads, a function and its arguments: what the child does with Lossary is the first that is done with it."""

import importlib
import os
import sys
import tempfile
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from first_threads import convert, example, first_calls
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

Loss = Callable[..., torch.Tensor]
WAYS = ("functional", "module", "patched")


class Data(NamedTuple):
    """The data of a call, and what torch answers."""

    x: torch.Tensor
    y: torch.Tensor
    value: torch.Tensor
    gradient: torch.Tensor

    def fresh(self) -> torch.Tensor:
        return self.x.clone().requires_grad_()

    def holds(self, value: torch.Tensor, gradient: torch.Tensor | None = None) -> None:
        torch.testing.assert_close(value.detach(), self.value)
        if gradient is not None:
            torch.testing.assert_close(gradient, self.gradient)


def data(name: str) -> Data:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 5, generator=generator)
    y = torch.tensor([0, 1, 2, 3, 4, 0]) if name == "cross_entropy" else torch.randn(6, 5, generator=generator)
    leaf = x.clone().requires_grad_()
    value = getattr(F, name)(leaf, y)
    return Data(x, y, value.detach(), torch.autograd.grad(value, leaf)[0])


def eager(loss: Loss, given: Data) -> None:
    x = given.fresh()
    value = loss(x, given.y)
    given.holds(value, torch.autograd.grad(value, x)[0])


def compiled(**options: Any) -> Callable[[Loss, Data], None]:
    def case(loss: Loss, given: Data) -> None:
        def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return loss(x * 1.0, y)

        step = torch.compile(step, **options)
        for again in (False, True):
            x = given.fresh()
            with torch._dynamo.config.patch(error_on_recompile=again):
                value = step(x, given.y)
            given.holds(value, torch.autograd.grad(value, x)[0])

    return case


def compiled_by_inductor(loss: Loss, given: Data) -> None:
    """Without a gradient there is no other kernel that its C++ compiler would have to be run for."""
    given.holds(torch.compile(lambda x, y: loss(x, y), fullgraph=True)(given.x, given.y))


def compiled_step(loss: Loss, given: Data) -> None:
    """Forward, backward and the optimizer's step, as one compiled function."""
    parameter = torch.nn.Parameter(given.x.clone())
    optimizer = torch.optim.SGD([parameter], 1.0)

    @torch.compile(backend="aot_eager")
    def step() -> torch.Tensor:
        value = loss(parameter * 1.0, given.y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value.detach()

    warnings.filterwarnings("ignore", "The .grad attribute", UserWarning)  # torch's own
    given.holds(step())
    torch.testing.assert_close(given.x - parameter.detach(), given.gradient)


class Model(torch.nn.Module):
    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.loss(x, y)


def exported(strict: bool) -> Callable[[Loss, Data], None]:
    def case(loss: Loss, given: Data) -> None:
        program = torch.export.export(Model(loss), (given.x, given.y), strict=strict)
        given.holds(program.module()(given.x, given.y))

    return case


def jit_traced(loss: Loss, given: Data) -> None:
    traced = torch.jit.trace(lambda x, y: loss(x, y), (given.x, given.y))
    x = given.fresh()
    value = traced(x, given.y)
    given.holds(value, torch.autograd.grad(value, x)[0])


def made_fx(loss: Loss, given: Data) -> None:
    from torch.fx.experimental.proxy_tensor import make_fx

    given.holds(make_fx(lambda x, y: loss(x, y))(given.x, given.y)(given.x, given.y))


def vmapped(loss: Loss, given: Data) -> None:
    given.holds(torch.func.vmap(lambda x, y: loss(x, y))(given.x, given.y).mean())


def functional_gradient(loss: Loss, given: Data) -> None:
    gradient, value = torch.func.grad_and_value(lambda x: loss(x, given.y))(given.x)
    given.holds(value, gradient)


def per_sample_gradients(loss: Loss, given: Data) -> None:
    gradients = torch.func.vmap(torch.func.grad(lambda x, y: loss(x, y)))(given.x, given.y)
    torch.testing.assert_close(gradients / len(given.x), given.gradient)


def jvp(loss: Loss, given: Data) -> None:
    value, tangent = torch.func.jvp(lambda x: loss(x, given.y), (given.x,), (given.x,))
    given.holds(value)
    torch.testing.assert_close(tangent, (given.gradient * given.x).sum())


def forward_mode(loss: Loss, given: Data) -> None:
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        value, tangent = forward_ad.unpack_dual(loss(forward_ad.make_dual(given.x, given.x), given.y))
    given.holds(value)
    torch.testing.assert_close(tangent, (given.gradient * given.x).sum())


def second_derivative(loss: Loss, given: Data) -> None:
    x = given.fresh()
    (gradient,) = torch.autograd.grad(loss(x, given.y), x, create_graph=True)
    given.holds(given.value, gradient.detach())
    assert torch.autograd.grad(gradient.square().sum(), x)[0].isfinite().all()


def inside(context: Callable[[], Any]) -> Callable[[Loss, Data], None]:
    """An eager call, and its backward, inside a context."""

    def case(loss: Loss, given: Data) -> None:
        with context():
            eager(loss, given)

    return case


def without_gradient(context: Callable[[], Any]) -> Callable[[Loss, Data], None]:
    def case(loss: Loss, given: Data) -> None:
        with context():
            given.holds(loss(given.x, given.y))

    return case


def fake(loss: Loss, given: Data) -> None:
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode() as mode:
        x = mode.from_tensor(given.x).requires_grad_()
        value = loss(x, mode.from_tensor(given.y))
        assert (value.shape, value.dtype) == (given.value.shape, given.value.dtype)
        assert torch.autograd.grad(value, x)[0].shape == x.shape


def meta(loss: Loss, given: Data) -> None:
    value = loss(given.x.to("meta").requires_grad_(), given.y.to("meta"))
    assert (value.device.type, value.shape, value.dtype) == ("meta", given.value.shape, given.value.dtype)


class Seen(TorchDispatchMode):
    """A mode that sees every operation."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def hooks() -> Any:
    return torch.autograd.graph.saved_tensors_hooks(lambda x: x.clone(), lambda x: x)


def deterministic(loss: Loss, given: Data) -> None:
    torch.use_deterministic_algorithms(True)
    eager(loss, given)


def checkpointed(loss: Loss, given: Data) -> None:
    from torch.utils.checkpoint import checkpoint

    x = given.fresh()
    value = checkpoint(lambda x: loss(x, given.y), x, use_reentrant=False)
    given.holds(value, torch.autograd.grad(value, x)[0])


def profiled() -> Any:
    return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])


def numpy_first(loss: Loss, given: Data) -> None:
    np.testing.assert_allclose(loss(given.x.numpy(), given.y.numpy()), given.value, rtol=1e-6)


def jax_first(transform: str) -> Callable[[Loss, Data], None]:
    """The first call is JAX's, and the second is compiled by torch."""

    def case(loss: Loss, given: Data) -> None:
        import jax

        x, y = jax.numpy.asarray(given.x.numpy()), jax.numpy.asarray(given.y.numpy())
        expected = given.gradient if transform == "grad" else given.value
        made = jax.jit(getattr(jax, transform)(lambda x: loss(x, y)))
        np.testing.assert_allclose(made(x), expected, rtol=1e-5, atol=1e-7)
        compiled(backend="eager", fullgraph=True)(loss, given)

    return case


def others_imported(when: str) -> Callable[[Loss, Data], None]:
    """Other libraries are imported before compiled code is run, or after that: it stays what it is."""

    def case(loss: Loss, given: Data) -> None:
        step = torch.compile(lambda x, y: loss(x * 1.0, y), backend="eager", fullgraph=True)
        if when == "after":
            step(given.x, given.y)
        for library in ("jax", "array_api_strict"):
            importlib.import_module(library)
        with torch._dynamo.config.patch(error_on_recompile=True):
            given.holds(step(given.x, given.y))
            given.holds(step(given.x, given.y))

    return case


class Asked(type):
    def __instancecheck__(cls, x: object) -> bool:
        raise AssertionError(f"an array of {type(x)} was asked whether it is of JAX")


class Array(metaclass=Asked):
    """As jax.Array, which torch.compile refuses to compare tensors with, from torch 2.14 on."""


def jax_not_asked(loss: Loss, given: Data) -> None:
    jax: Any = types.ModuleType("jax")
    jax.Array = Array
    sys.modules["jax"] = jax
    compiled(backend="eager", fullgraph=True)(loss, given)
    import lossary

    for record in lossary.catalogue():
        example(record.name, convert("torch"))()
        example(record.name, convert("numpy"))()


def thread(loss: Loss, given: Data) -> None:
    failures = []

    def target() -> None:
        try:
            eager(loss, given)
        except BaseException:
            failures.append(traceback.format_exc())

    worker = threading.Thread(target=target)
    worker.start()
    worker.join()
    assert not failures, failures[0]


def forked(loss: Loss, given: Data) -> None:
    child = os.fork()
    if child == 0:
        try:
            eager(loss, given)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    eager(loss, given)


class Losses(torch.utils.data.Dataset):
    def __init__(self, loss: Loss, given: Data) -> None:
        self.loss, self.given = loss, given

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.loss(self.given.x, self.given.y)


def data_loader(loss: Loss, given: Data) -> None:
    (batch,) = torch.utils.data.DataLoader(Losses(loss, given), num_workers=1)
    given.holds(batch[0])


CASES: dict[str, Callable[[Loss, Data], None]] = {
    "eager": eager,
    "compile": compiled(backend="eager"),
    "compile, fullgraph": compiled(backend="eager", fullgraph=True),
    "compile, dynamic": compiled(backend="eager", dynamic=True),
    "compile, aot_eager": compiled(backend="aot_eager", fullgraph=True),
    "compile, inductor": compiled_by_inductor,
    "compile, a whole step": compiled_step,
    "export": exported(strict=False),
    "export, strict": exported(strict=True),
    "jit.trace": jit_traced,
    "make_fx": made_fx,
    "vmap": vmapped,
    "func.grad": functional_gradient,
    "vmap of func.grad": per_sample_gradients,
    "func.jvp": jvp,
    "forward mode": forward_mode,
    "second derivative": second_derivative,
    "autocast": inside(lambda: torch.autocast("cpu", torch.bfloat16)),
    "dispatch mode": inside(Seen),
    "default device": inside(lambda: torch.device("cpu")),
    "profiler": inside(profiled),
    "saved_tensors_hooks": inside(hooks),
    "inference_mode": without_gradient(torch.inference_mode),
    "no_grad": without_gradient(torch.no_grad),
    "FakeTensorMode": fake,
    "meta tensors": meta,
    "deterministic": deterministic,
    "checkpoint": checkpointed,
    "a thread": thread,
    "a forked child": forked,
    "a DataLoader's worker": data_loader,
}
OF_FUNCTIONS: dict[str, Callable[[Loss, Data], None]] = {
    "compile, inductor, with its gradient": compiled(),
    "NumPy": numpy_first,
    "jax.jit": jax_first("jit"),
    "jax.grad": jax_first("grad"),
    "other libraries before": others_imported("before"),
    "other libraries after": others_imported("after"),
    "nobody asks for JAX's arrays": jax_not_asked,
}
"""For functions alone: modules and torch's functions take tensors."""


def run(case: str, way: str, name: str) -> None:
    """The case as the first use of Lossary in this process, and then ordinary calls, which are remembered."""
    given = data(name)
    import lossary

    if way == "patched":
        with lossary.patch_torch():
            CASES[case](getattr(F, name), given)
    elif way == "module":
        from lossary import nn

        CASES[case](nn.module_of(getattr(lossary, name))(), given)
    else:
        (CASES | OF_FUNCTIONS)[case](getattr(lossary, name), given)
    eager(getattr(lossary, name), given)
    eager(getattr(lossary, name), given)
    from lossary.dispatch.remembered import REMEMBERED
    from lossary.kernels import status

    assert REMEMBERED or status.missing()


def serve() -> None:
    torch.set_num_threads(1)
    importlib.import_module("torch._dynamo")
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    warnings.filterwarnings("ignore", "`torch.jit")  # torch's own imports, and the tracer itself
    warnings.filterwarnings("ignore", "<class 'torch.autograd.function.Function'>", DeprecationWarning)
    warnings.filterwarnings("ignore", "Guards may run slower on Python 3.13.0")
    warnings.filterwarnings("ignore", "Warning: Profiler clears events")  # of torch 2.11, to everybody
    for line in sys.stdin:
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                status = 1
                try:
                    name, *arguments = line.rstrip("\n").split("\t")
                    {"run": run, "first_calls": first_calls}[name](*arguments)
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(repr((status, said.read().decode())), flush=True)


if __name__ == "__main__":
    serve()
