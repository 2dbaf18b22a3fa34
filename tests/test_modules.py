"""The modules that hold parameters: linear cross-entropy and adaptive softmax, beside torch's own."""

import copy
import inspect
import math
import pickle

import numpy as np
import oracles
import pytest
import torch

import lossary
from lossary import nn

DTYPES = (torch.float64, torch.float32, torch.bfloat16)
TOLERANCES = {torch.float64: (1e-12, 1e-13), torch.float32: (1e-5, 1e-6), torch.bfloat16: (2**-7, 1e-5)}
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)

X = torch.linspace(-2, 2, 24).reshape(6, 4).cos()
Y = torch.tensor([0, 11, 2, 5, 7, 3])
LINEAR = {
    "plain": {"num_classes": 12},
    "bias": {"num_classes": 12, "bias": True, "label_smoothing": 0.1},
    "weight": {"num_classes": 12, "weight": torch.arange(1.0, 13.0), "ignore_index": 2, "reduction": "sum"},
    "positions": {"num_classes": 12, "out_features": (2, 3), "bias": True, "reduction": "none"},
}
if hasattr(torch.nn, "LinearCrossEntropyOptions"):  # of torch 2.13
    LINEAR["options"] = {"num_classes": 12, "options": torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)}
ADAPTIVE = {
    "plain": {"n_classes": 12, "cutoffs": [3, 8], "div_value": 2},
    "head_bias": {"n_classes": 12, "cutoffs": (2, 5, 11), "div_value": 1.5, "head_bias": True},
    "one cluster": {"n_classes": 12, "cutoffs": [2]},
}
CASES = [
    *(pytest.param("LinearCrossEntropyLoss", kwargs, id=f"linear-{name}") for name, kwargs in LINEAR.items()),
    *(pytest.param("AdaptiveLogSoftmaxWithLoss", kwargs, id=f"adaptive-{name}") for name, kwargs in ADAPTIVE.items()),
]
each_case = pytest.mark.parametrize(("name", "kwargs"), CASES)


def target_of(kwargs: dict) -> torch.Tensor:
    positions = kwargs.get("out_features", ())
    return Y.reshape(6, *(1 for _ in positions)).expand(6, *positions)


def made(library, name: str, kwargs: dict, dtype: torch.dtype = torch.float32):
    if not hasattr(library, name):
        pytest.skip(f"torch {torch.__version__} has no {name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return getattr(library, name)(4, **kwargs, dtype=dtype)


def value(answer) -> torch.Tensor:
    return torch.cat([part.reshape(-1) for part in answer]) if isinstance(answer, tuple) else answer


def value_and_gradients(
    module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, autocast: bool = False
) -> list[torch.Tensor]:
    x = x.detach().clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        answer = value(module(x, y))
    cotangent = torch.arange(answer.numel()).remainder(5).add(1).reshape(answer.shape).to(answer)
    return [answer, *torch.autograd.grad(answer, [x, *module.parameters()], cotangent, materialize_grads=True)]


def assert_agree(got: list[torch.Tensor], exact: list[torch.Tensor], dtype: torch.dtype) -> None:
    rtol, atol = TOLERANCES[dtype]
    torch.testing.assert_close(got, [x.to(dtype) for x in exact], rtol=rtol, atol=atol)


@each_case
@each_dtype
def test_values_gradients_and_state_are_torchs(name, kwargs, dtype):
    """Against torch in fp64 on the same numbers; then each takes the other's state."""
    ours, theirs = made(nn, name, kwargs, dtype), made(torch.nn, name, kwargs, dtype)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    x, y = X.to(dtype), target_of(kwargs)
    assert_agree(value_and_gradients(ours, x, y), value_and_gradients(theirs.double(), x.double(), y), dtype)
    with torch.no_grad():
        for p in ours.parameters():
            p.mul_(3)
    before = value(ours(x, y))
    assert_agree([before], [value(copy.deepcopy(ours).double()(x.double(), y))], dtype)
    assert theirs.load_state_dict(ours.state_dict(), strict=True)
    fresh = made(nn, name, kwargs, dtype)
    fresh.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(value(fresh(x, y)), before)


@each_case
def test_it_pickles_prints_itself_and_has_torchs_signature(name, kwargs):
    module = made(nn, name, kwargs)
    restored = pickle.loads(pickle.dumps(module))
    assert torch.equal(value(restored(X, target_of(kwargs))), value(module(X, target_of(kwargs))))
    assert repr(restored) == repr(module) and repr(module).startswith(name)
    parameters = inspect.signature(type(made(torch.nn, name, kwargs))).parameters.values()
    ours = inspect.signature(getattr(nn, name)).parameters
    assert [(p.name, p.default, p.kind) for p in parameters] == [
        (p.name, p.default, p.kind) for p in ours.values() if p.name != "impl"
    ]


@each_case
def test_compiled_and_exported_code_answers_the_same(name, kwargs):
    module, y = made(nn, name, kwargs), target_of(kwargs)
    expected = value_and_gradients(module, X, y)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for got, exact in zip(value_and_gradients(compiled, X, y), expected, strict=True):
        torch.testing.assert_close(got, exact, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(value(torch.export.export(module, (X, y)).module()(X, y)), expected[0])


@each_case
def test_vmap_and_forward_mode(name, kwargs):
    module, y = made(nn, name, kwargs), target_of(kwargs)
    both = torch.stack([X, X.flip(0)])
    mapped = torch.func.vmap(lambda x: value(module(x, y)))(both)
    torch.testing.assert_close(mapped, torch.stack([value(module(x, y)) for x in both]))
    swapped = torch.func.vmap(lambda t: value(module(X, t)))(torch.stack([y, y.flip(0)]))
    torch.testing.assert_close(swapped, torch.stack([value(module(X, y)), value(module(X, y.flip(0)))]))
    total, slope = torch.func.jvp(lambda x: value(module(x, y)).sum(), (X,), (X.sin(),))
    ahead, behind = (value(copy.deepcopy(module).double()(X.double() + h * X.double().sin(), y)) for h in (1e-6, -1e-6))
    torch.testing.assert_close(total, value(module(X, y)).sum())
    torch.testing.assert_close(slope.double(), (ahead - behind).sum() / 2e-6, rtol=1e-4, atol=1e-5)


# Linear cross-entropy


@pytest.mark.parametrize("hidden", ["ignored", "weightless"])
def test_a_hidden_row_that_holds_nan_reaches_no_parameter(hidden):
    module = nn.LinearCrossEntropyLoss(4, 12, bias=True)
    x, y = X.clone(), Y.clone()
    x[1] = math.nan
    how = {"sample_weight": torch.ones(6)} if hidden == "weightless" else {}
    if hidden == "weightless":
        how["sample_weight"][1] = 0
    else:
        y[1] = -100
    kept = torch.tensor([0, 2, 3, 4, 5])
    module(x, y, **how).backward()
    got = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(X[kept], Y[kept]).backward()
    torch.testing.assert_close(got, [p.grad for p in module.parameters()])


def test_a_position_that_is_ignored_hides_its_own_logits_only():
    module = made(nn, "LinearCrossEntropyLoss", LINEAR["positions"])
    y = target_of(LINEAR["positions"]).clone()
    whole = module(X, y)
    y[1], y[2, 0, 1] = -100, -100
    x = X.clone()
    x[1] = math.inf
    expected = whole.masked_fill(y == -100, 0)
    torch.testing.assert_close(module(x, y), expected)
    module(x, y).sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_batch_of_sequences_is_a_batch_of_rows():
    module = made(nn, "LinearCrossEntropyLoss", LINEAR["bias"] | {"reduction": "none"})
    rows = module(X, Y)
    torch.testing.assert_close(module(X.reshape(2, 3, 4), Y.reshape(2, 3)), rows.reshape(2, 3))
    soft = torch.eye(12)[Y]
    torch.testing.assert_close(module(X.reshape(2, 3, 4), soft.reshape(2, 3, 12)), rows.reshape(2, 3))
    torch.testing.assert_close(module(X[0], Y[0]), rows[0])


def test_half_precision_keeps_its_logits_in_fp32():
    """Logits near 3000 have steps of 2 in fp16, and of 16 in bf16: rounded, they would tie or swap."""
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.tensor([[50.0, 1.0]], dtype=dtype)
        w = torch.tensor([[60.0, 0.0], [60.0, 0.25]], dtype=dtype)
        loss = lossary.linear_cross_entropy(x, w, torch.tensor([0]))
        assert loss == torch.tensor(math.log1p(math.exp(0.25))).to(dtype)


def test_autocast_does_not_round_the_projection():
    module = made(nn, "LinearCrossEntropyLoss", LINEAR["bias"])
    adaptive = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"])
    for subject in (module, adaptive):
        torch.testing.assert_close(
            value_and_gradients(subject, X, Y, autocast=True), value_and_gradients(subject, X, Y)
        )
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    (value, *_) = value_and_gradients(compiled, X, Y, autocast=True)
    torch.testing.assert_close(value, module(X, Y))


def test_weights_may_be_tied():
    embedding = torch.nn.Embedding(12, 4)
    x = embedding(Y)
    loss = lossary.linear_cross_entropy(x, embedding.weight, Y)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(x @ embedding.weight.T, Y))
    loss.backward()
    through = embedding.weight.grad.clone()
    embedding.zero_grad()
    x = embedding(Y)
    torch.nn.functional.cross_entropy(x @ embedding.weight.T, Y).backward()
    torch.testing.assert_close(through, embedding.weight.grad)


W = torch.zeros(3, 4)
MISTAKES = {
    "other features": (
        lambda: lossary.linear_cross_entropy(X, torch.zeros(3, 5), Y),
        ValueError,
        ["linear_weight is float32 of shape (3, 5)", "(C, ..., 4)"],
    ),
    "weights of one dimension": (lambda: lossary.linear_cross_entropy(X, W[0], Y), ValueError, ["linear_weight"]),
    "a bias of another length": (
        lambda: lossary.linear_cross_entropy(X, W, Y % 3, linear_bias=torch.zeros(4)),
        ValueError,
        ["linear_bias is float32 of shape (4,)", "(3,)"],
    ),
    "positions without a batch": (
        lambda: lossary.linear_cross_entropy(X[0], torch.zeros(3, 2, 4), Y[:2] % 3),
        ValueError,
        ["linear_weight, of shape (3, 2, 4)", "input.unsqueeze(0)"],
    ),
    "a target for each row, where positions have one": (
        lambda: lossary.linear_cross_entropy(X, torch.zeros(3, 2, 4), Y % 3),
        ValueError,
        ["target is int64 of shape (6,)", "(6, 2)"],
    ),
    "no class": (lambda: lossary.linear_cross_entropy(X, W, Y), IndexError, ["target holds 11 at [1]", "0 to 2"]),
    "an index of probabilities": (
        lambda: lossary.linear_cross_entropy(X, W, torch.ones(6, 3) / 3, ignore_index=1),
        ValueError,
        ["linear_cross_entropy: ignore_index is 1", "sample_weight=0"],
    ),
    "options of another kind": (
        lambda: lossary.linear_cross_entropy(X, W, Y % 3, options={"batch_chunk_size": 2}),
        ValueError,
        ["options is {'batch_chunk_size': 2}", "torch.nn.LinearCrossEntropyOptions"],
    ),
    "no features": (lambda: lossary.linear_cross_entropy(torch.tensor(1.0), W, Y), ValueError, ["input is float32"]),
    "data in the place of sizes": (
        lambda: nn.LinearCrossEntropyLoss(X, Y),
        TypeError,
        ["in_features is float32 of shape (6, 4)", "LinearCrossEntropyLoss(in_features, num_classes)(input, target)"],
    ),
    "no number of classes": (
        lambda: nn.LinearCrossEntropyLoss(4, 2.5),
        TypeError,
        ["LinearCrossEntropyLoss: num_classes is 2.5; it must be an integer"],
    ),
    "weights of other classes": (
        lambda: nn.LinearCrossEntropyLoss(4, 3, weight=torch.ones(2)),
        ValueError,
        ["LinearCrossEntropyLoss: weight is float32 of shape (2,); num_classes, 3"],
    ),
    "adaptive: data in the place of sizes": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(X, Y, [3]),
        TypeError,
        ["AdaptiveLogSoftmaxWithLoss(in_features, n_classes, cutoffs)(input, target)"],
    ),
    "adaptive: no class": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(X, Y),
        IndexError,
        ["AdaptiveLogSoftmaxWithLoss: target holds 11 at [1]", "0 to 8"],
    ),
    "adaptive: the index that other losses ignore": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(X, Y * 0 - 100),
        IndexError,
        ["target holds -100 at [0] and 5 more"],
    ),
    "adaptive: targets as floats": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(X, Y.float()),
        TypeError,
        ["target is float32", "target.long()"],
    ),
    "adaptive: other features": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(5, 9, [3])(X, Y),
        ValueError,
        ["input is float32 of shape (6, 4)", "5)"],
    ),
    "adaptive: fewer targets": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(X, Y[:2]),
        ValueError,
        ["target is int64 of shape (2,)", "(6,)"],
    ),
    "adaptive: cutoffs that fall": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 3]),
        ValueError,
        ["cutoffs is [5, 3]", "n_classes - 1, 8"],
    ),
    "adaptive: no cutoffs": (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, []), ValueError, ["cutoffs is []"]),
    "adaptive: a cutoff past the classes": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [9]),
        ValueError,
        ["cutoffs is [9]"],
    ),
    "adaptive: words as cutoffs": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, ["3"]),
        ValueError,
        ["cutoffs is ['3']"],
    ),
    "adaptive: a divisor of 0": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3], div_value=0),
        ValueError,
        ["div_value is 0", "(0, inf)"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_names_the_fix(mistake):
    call, error, fragments = MISTAKES[mistake]
    with pytest.raises(error) as raised:
        call()
    for fragment in fragments:
        assert fragment in str(raised.value), f"{fragment!r} is not in: {raised.value}"


# Adaptive softmax


def test_adaptive_softmax_is_the_product_of_head_and_cluster():
    """From the paper's definition (Grave et al., 2017, sec. 4.2), in mpmath."""
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["head_bias"], torch.float64)

    def projected(x: np.ndarray, layer: torch.nn.Linear) -> np.ndarray:
        y = np.array([oracles.mp.fdot(x, row) for row in oracles.exact(layer.weight.detach())])
        return y if layer.bias is None else y + oracles.exact(layer.bias.detach())

    expected = []
    for row in oracles.exact(X.double()):
        head = [-nll for nll in oracles.neg_log_softmax(projected(row, module.head))]
        log_p = head[:2]
        for i, (project, classes) in enumerate(module.tail):
            log_p += [head[2 + i] - nll for nll in oracles.neg_log_softmax(projected(projected(row, project), classes))]
        expected.append([float(p) for p in log_p])
    log_prob = module.log_prob(X.double())
    torch.testing.assert_close(log_prob, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(log_prob.exp().sum(1), torch.ones(6, dtype=torch.float64))
    output, loss = module(X.double(), Y)
    torch.testing.assert_close(output, log_prob.gather(1, Y[:, None]).squeeze(1))
    torch.testing.assert_close(loss, -output.mean())


@pytest.mark.parametrize("kwargs", ADAPTIVE.values(), ids=ADAPTIVE)
@each_dtype
def test_log_prob_and_predict_are_torchs(kwargs, dtype):
    ours, theirs = (made(library, "AdaptiveLogSoftmaxWithLoss", kwargs, dtype) for library in (nn, torch.nn))
    with torch.no_grad():  # so that some rows go to each cluster
        for p in (*ours.parameters(), *theirs.parameters()):
            p.mul_(8)
    theirs = theirs.double()
    x = torch.linspace(-3, 3, 400).reshape(100, 4).sin().to(dtype)
    assert_agree([ours.log_prob(x)], [theirs.log_prob(x.double())], dtype)
    assert torch.equal(ours.predict(x), theirs.predict(x.double()))
    assert torch.equal(ours.predict(x), ours.log_prob(x.double()).argmax(1))
    assert (ours.predict(x) >= ours.shortlist_size).any() and (ours.predict(x) < ours.shortlist_size).any()
    assert torch.equal(ours.predict(x[0]), ours.predict(x)[0])
    torch.compiler.reset()
    assert torch.equal(torch.compile(ours.predict, fullgraph=True, backend="aot_eager")(x), ours.predict(x))


def test_adaptive_softmax_of_one_row_and_of_none():
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"])
    for y in Y:
        output, loss = module(X[0], y)
        assert output.shape == loss.shape == () and loss == -output
    output, loss = module(X[:0], Y[:0])
    assert output.shape == (0,) and loss == 0
    loss.backward()
    assert not any(p.grad.count_nonzero() for p in module.head.parameters())
    assert module.predict(X[:0]).shape == (0,)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_cluster_without_features_is_uniform():
    module = nn.AdaptiveLogSoftmaxWithLoss(4, 12, [3.0, 8.0], div_value=4)
    assert module.tail[1][0].weight.shape == (0, 4)
    log_prob = module.log_prob(X)
    torch.testing.assert_close(log_prob[:, 8:], log_prob[:, 8:9].expand(6, 4))
    torch.testing.assert_close(module(X, Y).output, log_prob.gather(1, Y[:, None]).squeeze(1))


def test_adaptive_softmax_takes_any_integer_dtype():
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"])
    expected = module(X, Y)
    for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32):
        assert all(map(torch.equal, module(X, Y.to(dtype)), expected))


def test_adaptive_softmax_evaluates_no_cluster_that_has_no_row():
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"])
    module(X, Y.clamp(max=5)).loss.backward()
    assert all(p.grad is not None for p in [*module.head.parameters(), *module.tail[0].parameters()])
    assert all(p.grad is None for p in module.tail[1].parameters())


def test_a_class_that_cannot_be_checked_makes_its_row_nan():
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"])
    for wrong in (12, -1, -100, 10**9):
        y = Y.clone()
        y[2] = wrong
        (output,) = torch.func.vmap(lambda t: module(X, t).output)(y[None])
        assert output.isnan().tolist() == [i == 2 for i in range(6)]


def test_fp16_log_probabilities_are_rounded_once():
    module = made(nn, "AdaptiveLogSoftmaxWithLoss", ADAPTIVE["plain"], torch.float16)
    many = X.half().repeat(20_000, 1)
    output, loss = module(many, Y.repeat(20_000))
    exact = copy.deepcopy(module).double()(X.half().double(), Y)
    assert output.dtype == loss.dtype == torch.float16
    assert torch.equal(output[:6], exact.output.half())
    assert loss == exact.loss.half()
