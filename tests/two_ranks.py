"""What tests/test_dtensors.py runs in each of two processes: `python two_ranks.py RANK INIT_FILE ANSWERS`.

Each check is made in both, in the same order; its complaint, or nothing, is written into ANSWERS.
"""

import contextlib
import datetime
import inspect
import json
import sys
import traceback
import warnings

import numpy as np
import torch
import torch.nn.functional as F

import lossary
from lossary import functional as LF
from lossary.core.contract import axes
from lossary.testing import ordinary

PLACEMENTS = ("replicated", "rows sharded", "dimension 1 sharded", "the first alone")
LOSSES = {f"{loss.name}, {how}": (loss, how) for loss in lossary.catalogue() for how in PLACEMENTS}
SHARED = [loss for loss in lossary.catalogue() if hasattr(F, loss.name)]

Z = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 7, 3, 4, -100, 5])


def distribute(x, dim=None):
    """`x` on both ranks, or in parts along `dim` where it has that dimension."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    placement = Replicate() if dim is None or dim >= x.ndim else Shard(dim)
    return distribute_tensor(x.detach().clone(), MESH, [placement]).requires_grad_(x.requires_grad)


def whole(x):
    return x.full_tensor() if hasattr(x, "full_tensor") else x


def step(call, arguments):
    """The value, and the gradients of what requires them."""
    value = call(**arguments)
    value.sum().backward()
    return value, {n: x.grad for n, x in arguments.items() if isinstance(x, torch.Tensor) and x.requires_grad}


def assert_same(got, wanted):
    (value, gradients), (wanted_value, wanted_gradients) = got, wanted
    torch.testing.assert_close(whole(value), wanted_value, atol=1e-5, rtol=1e-4)
    for name, gradient in wanted_gradients.items():
        found = whole(gradients[name])
        torch.testing.assert_close(
            torch.zeros_like(gradient) if found is None else found, gradient, atol=1e-5, rtol=1e-4
        )


def leaves(loss, seed):
    """A drawn call of fp32 tensors, those that may be differentiated as leaves."""
    sample = ordinary(loss, seed)
    given = {n: torch.tensor(x) if isinstance(x, np.ndarray) else x for n, x in sample.arguments.items()}
    given = {n: x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for n, x in given.items()}
    for name in sample.differentiable:
        if name in given and isinstance(given[name], torch.Tensor):
            given[name].requires_grad_()
    return sample, given


def dimension(name, x, how, sample):
    """Along which of its dimensions an argument is sharded."""
    if how == "dimension 1 sharded":
        return 1
    names = [axis for axis, _ in axes(sample.specs[name].shape, sample.dims)] if how == "rows sharded" else []
    return next((names.index(axis) for axis in ("N", "s0") if axis in names and x.ndim == len(names)), None)


REFUSED = {"linear_cross_entropy"}
if not hasattr(torch.nn, "LinearCrossEntropyLoss"):  # before torch 2.13 no rule says how the ranks compare two tensors
    REFUSED |= {"cox_loss"}


def check_loss(loss, how):
    """The value and the gradients of the whole arrays, or an error of ours; these only of classes and mixed calls."""
    for seed in range(3):
        sample, given = leaves(loss, seed)
        parts = {n: x for n, x in given.items() if isinstance(x, torch.Tensor)}
        if how == "the first alone":
            parts = {n: x for n, x in parts.items() if n == next(iter(loss.data))}
        parts = {n: distribute(x, dimension(n, x, how, sample)) for n, x in parts.items()}
        try:
            value = loss.public(**given | parts)
        except TypeError as error:
            message = str(error)
            assert message.startswith(f"{loss.name}: ") and " is a DTensor (" in message, message
            assert f"Pass {next(iter(loss.data))}.full_tensor()" in message, message
            of_classes = any(spec.domain.dtype == "integer" for spec in sample.specs.values())
            assert of_classes or "mixed" in message or loss.name in REFUSED, message
            continue
        try:
            value.sum().backward()
        except RuntimeError as error:  # of torch's backward of a view
            assert loss.name == "linear_cross_entropy" and "redistribute" in str(error), error
            continue
        gradients = {n: (given | parts)[n].grad for n, x in given.items() if isinstance(x, torch.Tensor)}
        assert_same((value, gradients), step(loss.public, {n: _anew(x) for n, x in given.items()}))


def _anew(x):
    return x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


def check_sparse_targets():
    """Of TopK, sharded along the classes that they name too."""

    def call(x, indices, probs):
        return LF.cross_entropy(x, lossary.TopK(indices, probs))

    indices, probs = torch.stack([Y, (Y + 1) % 8], dim=1), torch.full((6, 2), 0.5)
    for dim in (None, 0, 1):
        given = {"x": Z.clone().requires_grad_(), "indices": indices, "probs": probs}
        parts = {name: distribute(x, dim) for name, x in given.items()}
        assert_same(step(call, parts), step(call, given))


def outcome(call, arguments):
    """The answer, or what is raised in its place."""
    try:
        return step(call, arguments)
    except Exception as error:
        return type(error), str(error)


def check_patched(loss):
    """torch's own function, whatever it answers."""
    own = getattr(F, loss.name)
    _, given = leaves(loss, 0)
    given = {n: x for n, x in given.items() if n in inspect.signature(own).parameters}
    for dim in (None, 0, 1):
        outcomes = []
        for patched in (lossary.patch_torch, contextlib.nullcontext):
            with patched():
                parts = {n: distribute(x, dim) if isinstance(x, torch.Tensor) else x for n, x in given.items()}
                outcomes.append(outcome(own, parts))
        got, wanted = outcomes
        if isinstance(got[0], torch.Tensor) and isinstance(wanted[0], torch.Tensor):
            assert got[0].placements == wanted[0].placements
            assert_same(got, (whole(wanted[0]), {n: whole(g) for n, g in wanted[1].items() if g is not None}))
        else:
            assert got == wanted


def check_patched_loss_parallel():
    from torch.distributed.tensor.parallel import loss_parallel

    def call(x, y):
        with lossary.patch_torch():
            return F.cross_entropy(x, y)

    wanted = step(F.cross_entropy, {"input": Z.clone().requires_grad_(), "target": Y})
    with loss_parallel():
        value, gradients = step(call, {"x": distribute(Z.clone().requires_grad_(), 1), "y": distribute(Y)})
    assert_same((value, {"input": gradients["x"]}), wanted)


def check_patched_compiled():
    for dim in (None, 1):
        parts = {"x": distribute(Z.clone().requires_grad_(), dim), "y": distribute(Y)}
        compiled = torch.compile(lambda x, y: F.cross_entropy(x, y), fullgraph=True, backend="aot_eager")
        with lossary.patch_torch():
            value, gradients = step(compiled, parts)
        wanted = step(F.cross_entropy, {"input": Z.clone().requires_grad_(), "target": Y})
        assert_same((value, {"input": gradients["x"]}), wanted)


def check_patched_plain():
    """Tensors that are whole go to Lossary where DTensors are in use."""
    with lossary.patch_torch():
        assert F.cross_entropy(Z[4:5], Y[4:5]) == 0


def check_functions():
    """What is beside the losses raises too, and names itself."""
    z, y = distribute(Z, 1), distribute(Y.clamp(min=0))
    one = torch.tensor([1])
    calls = {
        "log_prob": lambda: lossary.log_prob(z, y),
        "linear_log_prob": lambda: lossary.linear_log_prob(z, distribute(Z), Y % 6),
        "class_weights": lambda: lossary.class_weights(y),
        "pos_weight": lambda: lossary.pos_weight(y % 2),
        "ctc_align": lambda: lossary.ctc_align(distribute(Z[:, None], 2), one[None], 6 * one, one),
        "cross_entropy": lambda: LF.cross_entropy(z, lossary.Mixed(Y, Y, 0.5)),
        "mse_loss": lambda: _strictly(LF.mse_loss, z, z),
    }
    for name, call in calls.items():
        try:
            call()
        except TypeError as error:
            assert str(error).startswith(f"{name}: ") and ".full_tensor()" in str(error), error
        else:
            raise AssertionError(f"{name} answers")
    assert "DTensors" in str(lossary.check("cross_entropy", z, y))


def _strictly(call, *args):
    with lossary.strict():
        return call(*args)


def check_implicit_replication():
    """Where torch takes plain tensors for replicated ones, formulas of classes run."""
    from torch.distributed.tensor.experimental import implicit_replication

    wanted = step(LF.cross_entropy, {"input": Z.clone().requires_grad_(), "target": Y})
    with implicit_replication():
        assert_same(step(LF.cross_entropy, {"input": distribute(Z.clone().requires_grad_()), "target": Y}), wanted)


def check_ddp_with_normalizer():
    """Unequal counts of tokens on the ranks: the gradient is that of the whole batch."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.manual_seed(1)
    model, alone = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
    alone.load_state_dict(model.state_dict())
    F.cross_entropy(alone(Z), Y).backward()
    ranks = DistributedDataParallel(model)
    rows = slice(0, 2) if dist.get_rank() == 0 else slice(2, 6)
    tokens = (Y[rows] != -100).sum()
    dist.all_reduce(tokens)
    (2 * LF.cross_entropy(ranks(Z[rows]), Y[rows], normalizer=tokens)).backward()
    torch.testing.assert_close(model.weight.grad, alone.weight.grad, atol=1e-6, rtol=1e-5)


CHECKS = {
    **{f"of {name}": (check_loss, *given) for name, given in LOSSES.items()},
    **{f"patched {loss.name}": (check_patched, loss) for loss in SHARED},
    **{
        check.__name__.removeprefix("check_").replace("_", " "): (check,)
        for check in (
            check_sparse_targets,
            check_patched_loss_parallel,
            check_patched_compiled,
            check_patched_plain,
            check_functions,
            check_implicit_replication,
            check_ddp_with_normalizer,
        )
    },
}


def main(rank, init, answers):
    global MESH
    import torch.distributed as dist

    warnings.simplefilter("ignore")  # of DTensor's own, and of kl_div's mean
    torch.set_num_threads(1)
    patience = datetime.timedelta(seconds=30)
    dist.init_process_group("gloo", init_method=f"file://{init}", rank=int(rank), world_size=2, timeout=patience)
    from torch.distributed.device_mesh import init_device_mesh

    MESH = init_device_mesh("cpu", (2,))
    said = {}
    for name, (check, *given) in CHECKS.items():
        try:
            check(*given)
            said[name] = ""
        except Exception:
            said[name] = traceback.format_exc()
    with open(answers, "w") as stream:
        json.dump(said, stream)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
