"""The kernels beside the formulas in fp64, at sizes that cross their tiles and blocks; the suites take small ones."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import lossary
from lossary import ops
from lossary.kernels import operators, schemas
from lossary.kernels.families import Elementwise
from lossary.kernels.status import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

DTYPES = {torch.float64: 1e-12, torch.float32: 8e-6, torch.bfloat16: 2**-7, torch.float16: 2**-9}
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
each_loss = pytest.mark.parametrize("name", sorted(loss.name for loss in lossary.catalogue() if loss.kernel))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def held(name: str, dtype: torch.dtype, *args: Any, wanted: int = 1, **options: Any) -> None:
    """Value and gradients of a loss by its kernel are those of its formula in fp64, for each reduction."""
    loss = getattr(lossary, name)
    wide = [x.double() if x.is_floating_point() else x for x in args]
    exact = {n: x.double() if isinstance(x, torch.Tensor) else x for n, x in options.items()}
    for reduction in ("none", "mean", "sum"):
        leaves = [x.clone().requires_grad_() for x in wide[:wanted]]
        expected = loss(*leaves, *wide[wanted:], **exact, reduction=reduction, impl="reference")
        upstream = drawn(*expected.shape, seed=3).to(dtype)
        slopes = torch.autograd.grad(expected, leaves, upstream.double())
        given = [x.clone().requires_grad_() for x in args[:wanted]]
        got = loss(*given, *args[wanted:], **options, reduction=reduction, impl="fused")
        assert got.dtype == dtype
        close(got, expected, DTYPES[dtype])
        for answer, slope in zip(torch.autograd.grad(got, given, upstream), slopes, strict=True):
            close(answer, slope, 2 * DTYPES[dtype])


def close(got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    smallest = torch.finfo(got.dtype).smallest_normal * torch.finfo(got.dtype).eps
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance * scale + smallest)


# Values and gradients -------------------------------------------------------------------------------------------------


SHAPES = ((7, 5), (5, 3000), (3, 1024), (4, 2500, 3), (2, 21, 40, 30), (3, 5, 1), (5,))


@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["index", "soft"])
def test_rows_of_logits(dtype: torch.dtype, shape: tuple[int, ...], soft: bool) -> None:
    axis = min(len(shape) - 1, 1)
    x = (4 * drawn(*shape)).to(dtype)
    target = drawn(*shape, seed=1).softmax(axis).to(dtype) if soft else drawn(*shape, seed=1).argmax(axis)
    if not soft and target.ndim:
        target.view(-1)[1] = -100
    weight = drawn(shape[axis], seed=2).exp().to(dtype)
    for options in ({}, {"label_smoothing": 0.1}, {"weight": weight}, {"weight": weight, "label_smoothing": 0.3}):
        held("cross_entropy", dtype, x, target, **options)
    if not soft:
        held("focal_loss", dtype, x, target, gamma=2.5)


@each_dtype
@pytest.mark.parametrize("shape", [(2, 21, 40, 30), (3, 4, 700), (5,)], ids=str)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("soft", [False, True], ids=["index", "soft"])
def test_overlap_of_masks(dtype: torch.dtype, shape: tuple[int, ...], activation: str, soft: bool) -> None:
    axis = min(len(shape) - 1, 1)
    x = (4 * drawn(*shape) if activation != "none" else drawn(*shape).sigmoid()).to(dtype)
    target = drawn(*shape, seed=1).softmax(axis).to(dtype) if soft else drawn(*shape, seed=1).argmax(axis)
    if not soft and target.ndim:
        target.view(-1)[1] = -100
    pixels = drawn(*shape[:axis], *shape[axis + 1 :], seed=2).exp().to(dtype)
    weighted = {"pixel_weight": pixels, "weight": drawn(shape[axis], seed=4).exp().to(dtype), "classes": "present"}
    for options in ({}, {"overlap": "product", "smooth": 0.5}, weighted, {"squared": True}, {"batch": True}):
        held("dice_loss", dtype, x, target, activation=activation, **options)
    held("tversky_loss", dtype, x, target, activation=activation, alpha=0.3, beta=0.9, gamma=0.75)
    held("jaccard_loss", dtype, x, target, activation=activation)


@each_dtype
@pytest.mark.parametrize("shape", [(7, 5), (5, 3000), (3, 1024), (5,)], ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["index", "soft"])
def test_rows_of_shaped_logits(dtype: torch.dtype, shape: tuple[int, ...], soft: bool) -> None:
    x = (4 * drawn(*shape)).to(dtype)
    target = drawn(*shape, seed=1).softmax(-1).to(dtype) if soft else drawn(*shape, seed=1).argmax(-1)
    if not soft and target.ndim:
        target.view(-1)[1] = -100
    weight = drawn(shape[-1], seed=2).exp().to(dtype)
    shapes: tuple[dict[str, Any], ...] = ({"softcap": 2.5}, {"temperature": 3.0}, {"z_loss": 0.25})
    for options in (*shapes, {"softcap": 30.0, "temperature": 0.5}):
        held("cross_entropy", dtype, x, target, **options)
        held("cross_entropy", dtype, x, target, weight=weight, label_smoothing=0.3, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shaped_logits_keep_digits_of_small_losses_and_infinities(dtype: torch.dtype) -> None:
    inf, tiny = torch.inf, 1e-3
    x = torch.tensor([[40.0, 0, 0], [inf, 0, 1], [0, inf, 1], [-inf, 0, 1], [-inf] * 3, [tiny, -tiny, 0]], dtype=dtype)
    options: dict[str, Any] = {"temperature": 0.5, "reduction": "none"}
    target = torch.zeros(6, dtype=torch.int64)
    got = lossary.cross_entropy(x, target, impl="fused", **options)
    expected = lossary.cross_entropy(x.double(), target, impl="reference", **options)
    torch.testing.assert_close(got.double(), expected, rtol=1e-6, atol=0, equal_nan=True)
    got, expected = (lossary.cross_entropy(z, target, softcap=50, reduction="none") for z in (x, x.double()))
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=0, equal_nan=True)


@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_log_probabilities(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    axis = min(len(shape) - 1, 1)
    x, target = drawn(*shape).log_softmax(axis).to(dtype), drawn(*shape, seed=1).argmax(axis)
    if target.ndim:
        target.view(-1)[1] = -100
    for options in ({}, {"weight": drawn(shape[axis], seed=2).exp().to(dtype)}):
        held("nll_loss", dtype, x, target, **options)


@each_dtype
@pytest.mark.parametrize("shape", [(7, 5), (5, 3000), (3, 1024), (5,)], ids=str)
def test_divergences(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x, t = (3 * drawn(*shape)).to(dtype), (3 * drawn(*shape, seed=1)).to(dtype)
    weight = drawn(*shape[:-1], seed=2).exp().to(dtype)
    held("kl_div_with_logits", dtype, x, t, wanted=2, temperature=2.5, sample_weight=weight)


@pytest.mark.parametrize("distance", [0.0, 1e-4, 1e-2, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_small_divergence_keeps_its_digits(dtype: torch.dtype, distance: float) -> None:
    t = (3 * drawn(6, 2500)).to(dtype)
    t[:, ::7] = -torch.inf
    x = (t + distance * drawn(6, 2500, seed=1)).to(dtype)
    got = lossary.kl_div_with_logits(x, t, reduction="none", impl="fused")
    expected = lossary.kl_div_with_logits(x.double(), t.double(), reduction="none", impl="reference")
    torch.testing.assert_close(got.double(), expected, rtol=1e-5 if dtype == torch.float32 else 1e-11, atol=0)


@each_dtype
def test_classes_last_in_memory(dtype: torch.dtype) -> None:
    x, weight = drawn(3, 40, 700).to(dtype).movedim(-1, 1), drawn(3, 40, seed=2).exp().to(dtype)
    held("cross_entropy", dtype, x, drawn(3, 700, 40, seed=1).argmax(1), sample_weight=weight)
    held("cross_entropy", dtype, x, drawn(3, 700, 40, seed=1).softmax(1).to(dtype))


ELEMENTWISE: dict[str, tuple[dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = {
    "l1_loss": ({}, lambda t: t),
    "mse_loss": ({}, lambda t: t),
    "smooth_l1_loss": ({"beta": 0.7}, lambda t: t),
    "huber_loss": ({"delta": 0.7}, lambda t: t),
    "binary_cross_entropy_with_logits": ({"pos_weight": drawn(1700, seed=4).exp()}, torch.sigmoid),
    "sigmoid_focal_loss": ({"gamma": 1.5}, torch.sigmoid),
    "asymmetric_loss": ({"pos_weight": drawn(1700, seed=4).exp()}, torch.sigmoid),
    "poisson_nll_loss": ({}, torch.abs),
    "soft_margin_loss": ({}, torch.sign),
    "hinge_embedding_loss": ({"margin": 0.8}, torch.sign),
    "log_cosh_loss": ({}, lambda t: t),
    "hinge_loss": ({"margin": 0.8}, torch.sign),
    "squared_hinge_loss": ({"margin": 0.8}, torch.sign),
    "kl_div": ({"log_target": True}, lambda t: t),
}


@each_dtype
@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.filterwarnings("ignore:kl_div")
def test_single_elements(name: str, dtype: torch.dtype) -> None:
    options, of = ELEMENTWISE[name]
    x, t = (2 * drawn(3, 1700)).to(dtype), of(drawn(3, 1700, seed=1)).to(dtype)
    options = {n: o.to(dtype) if isinstance(o, torch.Tensor) else o for n, o in options.items()}
    held(name, dtype, x, t, **options)
    held(name, dtype, x, t, **options, sample_weight=drawn(3, seed=2).exp().to(dtype))


@each_dtype
def test_second_inputs(dtype: torch.dtype) -> None:
    x, y, signs = drawn(5000).to(dtype), drawn(5000, seed=1).to(dtype), drawn(5000, seed=2).sign().to(dtype)
    held("margin_ranking_loss", dtype, x, y, signs, wanted=2, margin=0.3)
    probabilities = x.double().sigmoid().clamp(0.05, 0.95).to(dtype)
    held("binary_cross_entropy", dtype, probabilities, y.double().sigmoid().to(dtype))
    var = drawn(5000, seed=3).exp().to(dtype)
    for reduction in ("mean", "sum"):
        wide, leaf = var.double().requires_grad_(), var.clone().requires_grad_()
        expected = lossary.gaussian_nll_loss(x.double(), y.double(), wide, full=True, reduction=reduction)
        got = lossary.gaussian_nll_loss(x, y, leaf, full=True, reduction=reduction, impl="fused")
        close(got, expected, DTYPES[dtype])
        close(torch.autograd.grad(got, leaf)[0], torch.autograd.grad(expected, wide)[0], 2 * DTYPES[dtype])


@each_dtype
def test_rows_of_vectors(dtype: torch.dtype) -> None:
    a, b, c = (drawn(50, 37, seed=seed).to(dtype) for seed in range(3))
    held("cosine_embedding_loss", dtype, a, b, drawn(50, seed=3).sign().to(dtype), wanted=2, margin=-0.1)
    held("triplet_margin_loss", dtype, a, b, c, wanted=3, margin=1.5, swap=True)


def shifted(x: torch.Tensor) -> torch.Tensor:
    """The same numbers, one element past where an allocation begins."""
    return torch.cat([x.flatten()[:1], x.flatten()])[1:].view(x.shape)


@each_dtype
@pytest.mark.parametrize("place", [shifted, lambda x: x.mT.contiguous().mT, lambda x: x.repeat(1, 2)[:, ::2]])
def test_misaligned_and_strided_storage(dtype: torch.dtype, place: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x, y, z = (place(drawn(37, 1031, seed=seed).to(dtype)) for seed in range(3))
    labels = drawn(37, 1031, seed=3).argmax(1)
    held("cross_entropy", dtype, x, labels, sample_weight=shifted(drawn(37, seed=4).exp().to(dtype)))
    held("cross_entropy", dtype, x, labels, sample_weight=place(drawn(37, 2, seed=4).exp().to(dtype))[:, 0])
    held("huber_loss", dtype, x, y)
    held("cosine_embedding_loss", dtype, x, y, torch.ones(37, dtype=dtype), wanted=2)
    held("triplet_margin_loss", dtype, x, y, z, wanted=3)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    x, target = drawn(700, 300).float().requires_grad_(), drawn(700, 300, seed=1).argmax(1)
    before, expected = torch.get_num_threads(), lossary.cross_entropy(x, target, impl="fused")
    (slope,) = torch.autograd.grad(expected, x)
    try:
        torch.set_num_threads(threads)
        for _ in range(100):
            got = lossary.cross_entropy(x, target, impl="fused")
            assert torch.equal(got, expected) and torch.equal(torch.autograd.grad(got, x)[0], slope)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(1100, 4099), (6, 21, 181, 203)], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_past_the_caches_are_those_within(
    dtype: torch.dtype, shape: tuple[int, ...], smoothing: float
) -> None:
    """From 8 MiB on they are written another way, here from odd places; the parts of a batch are below."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    rows = (shape[0], *shape[2:])
    target = torch.randint(shape[1], rows, generator=generator)
    target.view(-1)[::7] = -100
    assert x.numel() * x.element_size() >= 8 << 20 and x[:1].numel() * x.element_size() < 8 << 20

    def slope(part: slice) -> torch.Tensor:
        leaf = x[part].detach().clone().requires_grad_()
        loss = lossary.cross_entropy(leaf, target[part], reduction="sum", label_smoothing=smoothing, impl="fused")
        return torch.autograd.grad(loss, leaf)[0]

    step = max(shape[0] // 6, 1)
    parts = [slope(slice(begin, begin + step)) for begin in range(0, shape[0], step)]
    assert torch.equal(slope(slice(None)), torch.cat(parts))


@pytest.mark.parametrize("shape", [(3, 70), (1100, 4099)], ids=str)
@pytest.mark.parametrize("place", ["logits", "class weight"])
def test_any_nan_is_nan_in_a_gradient_in_bf16(shape: tuple[int, int], place: str) -> None:
    """Rounding by integers would carry one whose bits are all set over to -0."""
    x = drawn(*shape).bfloat16()
    target, weight = torch.zeros(len(x), dtype=torch.int64), torch.ones(shape[1])
    target[0] = 5
    if place == "logits":
        x.view(torch.int16)[0, 7] = 0x7FFF
    else:
        weight.view(torch.int32)[5] = 0x7FFFFFFF
    x.requires_grad_()
    (g,) = torch.autograd.grad(lossary.cross_entropy(x, target, weight, reduction="sum", impl="fused"), x)
    assert g[0].isnan().all() and g[1:].isfinite().all()


@pytest.fixture
def memory_of_gradients() -> Iterator[None]:
    before = torch.ops.lossary.gradient_memory_limit()
    ops.gradient_memory(limit=0)
    yield
    ops.gradient_memory(limit=before)


@pytest.mark.usefixtures("memory_of_gradients")
def test_memory_of_gradients_is_kept_within_its_limit() -> None:
    x, target = drawn(700, 1000).float().requires_grad_(), drawn(700, 1000, seed=1).argmax(1)
    (expected,) = torch.autograd.grad(lossary.cross_entropy(x, target), x)
    ops.gradient_memory(limit=8 << 20)
    (slope,) = torch.autograd.grad(lossary.cross_entropy(x, target), x)
    del slope
    assert ops.gradient_memory() == 4 << 20, "2.8 MB, in whole huge pages"
    (slope,) = torch.autograd.grad(lossary.cross_entropy(x, target), x)
    assert ops.gradient_memory() == 0 and torch.equal(slope, expected)
    (other,) = torch.autograd.grad(lossary.cross_entropy(x, target), x)
    assert other.data_ptr() != slope.data_ptr()
    wide = x.detach().double().repeat(1, 2).requires_grad_()
    largest = torch.autograd.grad(lossary.cross_entropy(wide, target), wide)[0]
    del slope, largest, other
    assert ops.gradient_memory() <= 8 << 20
    with pytest.raises(ValueError, match="gradient_memory: limit is -1"):
        ops.gradient_memory(limit=-1)


@pytest.mark.usefixtures("memory_of_gradients")
@pytest.mark.parametrize("limit", [0, 8 << 20])
def test_the_storage_of_a_kept_gradient_can_be_resized(limit: int) -> None:
    """So FSDP and offloading free it, and take it again."""
    if limit and operators.native is None:
        pytest.skip("the kernels were built for another torch")
    ops.gradient_memory(limit)
    x, target = drawn(700, 1000).float().requires_grad_(), drawn(700, 1000, seed=1).argmax(1)
    slopes = [torch.autograd.grad(lossary.cross_entropy(x, target), x)[0] for _ in range(3)]
    storage, size = slopes[0].untyped_storage(), x.nbytes
    storage.resize_(0)
    assert ops.gradient_memory() == (4 << 20 if limit else 0), "as if the gradient had gone"
    assert storage.nbytes() == 0 and torch.equal(slopes[1], slopes[2])
    storage.resize_(size)
    slopes[0].copy_(slopes[1])
    del storage, slopes
    assert ops.gradient_memory() <= limit


@pytest.mark.usefixtures("memory_of_gradients")
def test_where_it_could_not_be_resized_a_process_group_ends_kept_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ops.gradient_memory(limit=8 << 20)
    monkeypatch.setattr(operators, "native", None)
    x = drawn(3, 11).requires_grad_()
    lossary.cross_entropy(x, torch.tensor([0, 1, 2]))
    assert torch.ops.lossary.gradient_memory_limit() == 8 << 20
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        lossary.cross_entropy(drawn(3, 13).requires_grad_(), torch.tensor([0, 1, 2]))
    finally:
        torch.distributed.destroy_process_group()
    assert torch.ops.lossary.gradient_memory_limit() == 0


# Gradients over the logits --------------------------------------------------------------------------------------------

LOGITS, LABELS = drawn(6, 4).float(), torch.tensor([0, 3, 1, 2, 2, 0])


@each_dtype
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("shape", [(5, 3000), (2, 21, 40, 30)], ids=str)
def test_the_gradient_may_be_written_over_the_logits(
    dtype: torch.dtype, reduction: str, shape: tuple[int, ...]
) -> None:
    leaf, target = drawn(*shape).to(dtype).requires_grad_(), drawn(*shape, seed=1).argmax(1)
    target.view(-1)[1] = -100
    for options in ({}, {"label_smoothing": 0.1}, {"sample_weight": drawn(shape[0], seed=2).exp().to(dtype)}):
        answers = []
        for inplace in (False, True):
            logits = leaf * 2
            before = logits.detach().clone()
            loss = lossary.cross_entropy(logits, target, reduction=reduction, inplace_backward=inplace, **options)
            assert torch.equal(logits.detach(), before)
            upstream = drawn(*loss.shape, seed=3).to(dtype)
            answers.append((loss, *torch.autograd.grad(loss, leaf, upstream)))
            assert torch.equal(logits.detach(), before) is not inplace
        close(answers[1][0], answers[0][0].double(), 0)
        close(answers[1][1], answers[0][1].double(), DTYPES[dtype])


def test_what_is_written_over_is_not_used_again() -> None:
    leaf = LOGITS.clone().requires_grad_()
    logits = leaf.exp()  # which saves what it answers
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        lossary.cross_entropy(logits, LABELS, inplace_backward=True).backward()
    loss = lossary.cross_entropy(leaf * 2, LABELS, inplace_backward=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(loss, leaf, create_graph=True)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("reason", "logits", "options"),
    [
        ("a leaf", lambda x: x, {}),
        ("a leaf", lambda x: x.view(3, 8)[:, :4], {}),
        ("not contiguous", lambda x: (x * 2).T.contiguous().T, {}),
        ("numpy", lambda x: x.detach().numpy(), {}),
        ("only 'fused' can overwrite", lambda x: x * 2, {"impl": "reference"}),
    ],
)
def test_an_unsafe_gradient_over_the_logits_is_refused(reason: str, logits: Any, options: dict[str, Any]) -> None:
    x = logits(LOGITS.clone().requires_grad_())
    target = LABELS.numpy() if reason == "numpy" else LABELS
    with pytest.raises(ValueError, match=f"cross_entropy: inplace_backward=True is not possible: .*{reason}"):
        lossary.cross_entropy(x, target[: len(x)], inplace_backward=True, **options)


# What the kernels leave to others -------------------------------------------------------------------------------------


@each_loss
@pytest.mark.filterwarnings("ignore:kl_div")
def test_a_kernel_serves_what_its_table_says(name: str) -> None:
    assert lossary.explain(getattr(lossary, name), *_ordinary(name)).chosen == "fused"


def _ordinary(name: str) -> tuple[torch.Tensor, ...]:
    half = LOGITS.sigmoid()
    others = {
        "cross_entropy": (LABELS,),
        "focal_loss": (LABELS,),
        "nll_loss": (LABELS,),
        "linear_cross_entropy": (LOGITS, LABELS),
        "binary_cross_entropy": (half,),
        "gaussian_nll_loss": (LOGITS, half),
        "margin_ranking_loss": (half, LOGITS.sign()),
        "cosine_embedding_loss": (half, LOGITS[:, 0].sign()),
        "cox_loss": (LABELS, LABELS > 1),
        "ctc_loss": (LABELS[1:3], torch.tensor(6), torch.tensor(2)),
        "ctc_loss_with_logits": (LABELS[1:3], torch.tensor(6), torch.tensor(2)),
        "rnnt_loss": (LABELS[:2] % 3, torch.tensor(2), torch.tensor(2)),
        "triplet_margin_loss": (half, half + 1),
    }
    first = {"binary_cross_entropy": half, "cox_loss": LOGITS[:, 0], "rnnt_loss": LOGITS.reshape(2, 3, 4)}.get(
        name, LOGITS
    )
    return (first, *others.get(name, (half.clone(),)))


@pytest.mark.parametrize(
    ("reason", "call"),
    [
        ("cannot differentiate targets or weights", lambda: ((LOGITS, LOGITS.softmax(1).requires_grad_()), {})),
        (
            "cannot differentiate targets or weights",
            lambda: ((LOGITS, LABELS), {"weight": torch.ones(4, requires_grad=True)}),
        ),
        ("an argument is empty", lambda: ((LOGITS[:0], LABELS[:0]), {})),
        ("torch tensors; these are numpy", lambda: ((LOGITS.numpy(), LABELS.numpy()), {})),
    ],
)
def test_a_refusal_names_its_reason(reason: str, call: Any) -> None:
    args, options = call()
    with pytest.raises(ValueError, match=reason):
        lossary.cross_entropy(*args, **options, impl="fused")
    lossary.cross_entropy(*args, **options)


NUMBERED = [
    "L1",
    "MSE",
    "SmoothL1",
    "Huber",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "PoissonOfLogRates",
    "PoissonOfRates",
    "Gaussian",
    "SoftMargin",
    "HingeEmbedding",
    "MarginRanking",
    "SigmoidFocal",
    "SigmoidFocalOfSquares",
    "KLDiv",
    "KLDivOfLogTargets",
]


def test_every_elementwise_function_has_a_loss_and_its_number() -> None:
    """Exported programs hold the numbers, which are places in functions.inc."""
    files = {loss.name: inspect.getsource(inspect.getmodule(loss.function)) for loss in lossary.catalogue()}
    for name in schemas.FUNCTIONS:
        found = any(f'"{name}"' in text and "kernel=Elementwise(" in text for text in files.values())
        assert found, f'no loss names {name}: add kernel=Elementwise("{name}", ...) to its record'
    for loss in lossary.catalogue():
        if isinstance(loss.kernel, Elementwise) and isinstance(loss.kernel.functor, str):
            name = loss.kernel.functor
            assert name in schemas.FUNCTIONS, f"{loss.name}: add LOSSARY_FUNCTION({name}, ...) to functions.inc"
    assert list(schemas.FUNCTIONS)[: len(NUMBERED)] == NUMBERED, "a function has another number: new ones come last"


def test_elementwise_takes_as_many_parameters_as_its_function() -> None:
    x, y = torch.randn(2, 33, dtype=torch.float64).unbind()
    place = schemas.FUNCTIONS["Huber"]
    given, rest = (place, x, y, None, False, None), (None, 2, None, None, 1)
    value, (gradient,) = torch.ops.lossary.elementwise.parameters(*given, [0.5], *rest)
    of_two, (gradient_of_two,) = torch.ops.lossary.elementwise.default(*given, 0.5, 0.0, *rest)
    assert torch.equal(value, of_two) and torch.equal(gradient, gradient_of_two)
    refused = (ValueError, RuntimeError)  # from torch 2.15 on what C++ raises is the second
    with pytest.raises(refused, match="Huber takes 1 parameters; got 2"):
        torch.ops.lossary.elementwise.parameters(*given, [0.5, 0.0], *rest)
    with pytest.raises(refused, match="no elementwise function 99"):
        torch.ops.lossary.elementwise.parameters(99, *given[1:], [], *rest)
