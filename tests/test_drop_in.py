"""What code written for torch relies on, beyond the samples that PyTorch ships."""

import copy
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary.functional as F
from lossary import nn
from lossary.core.arrays import WITHOUT_AUTOCAST
from lossary.testing import LIBRARIES, cases

INF, NAN = math.inf, math.nan
X = torch.linspace(-2, 2, 12).reshape(4, 3)
Y = torch.tensor([0, 2, 1, 0])


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy_with_logits", "ctc_loss"]
)
def test_compiled_code_takes_any_batch_size(loss):
    function = getattr(F, loss)
    case = next(
        c
        for c in cases(function, lambda: 0, LIBRARIES["torch"], "float32", range(50))
        if c.unreduced_shape
        and c.sample.dims["N"]
        and c.sample.specs.keys() == {n for n in c.loss.data if "weight" not in n}
    )
    torch.compiler.reset()
    compiled = torch.compile(lambda **k: function(**k), fullgraph=True, dynamic=True, backend="eager")
    for count in range(2, 14):
        batch = case.of(case.sample.tiled(count))
        torch.testing.assert_close(compiled(**batch.arguments), batch.call())


def test_compiled_code_takes_any_normalizer():
    torch.compiler.reset()
    compiled = torch.compile(lambda n: F.mse_loss(X, X * 3, normalizer=n), fullgraph=True, backend="eager")
    for n in range(3, 15):
        torch.testing.assert_close(compiled(n), F.mse_loss(X, X * 3, reduction="sum") / n)


def test_compiled_code_takes_mixed_dtypes():
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: F.mse_loss(x, y), fullgraph=True, backend="eager")
    for other in (torch.float64, torch.float16, torch.bfloat16):
        answer = compiled(X, (X * 3).to(other))
        assert answer.dtype == torch.promote_types(torch.float32, other)
        torch.testing.assert_close(answer, F.mse_loss(X, (X * 3).to(other)))


def test_functional_calls_compile():
    """They write to the module's dictionaries, after which Dynamo reads no mapping proxy: no signature, that is."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.criterion = torch.nn.Linear(3, 3), nn.CrossEntropyLoss()

        def forward(self, x, y):
            return self.criterion(self.linear(x), y)

    model = Model()
    loss = torch.func.grad(lambda parameters, x, y: torch.func.functional_call(model, parameters, (x, y)))
    per_sample = torch.func.vmap(loss, in_dims=(None, 0, 0))
    arguments = dict(model.named_parameters()), X, Y
    torch.compiler.reset()
    compiled = torch.compile(per_sample, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), per_sample(*arguments))


@pytest.mark.filterwarnings("ignore:.*is no longer used as device type")
def test_it_knows_which_devices_have_autocast():
    with pytest.raises(RuntimeError) as refused:
        torch.device("nonsense")
    devices = str(refused.value).partition("one of ")[2].partition(" device type")[0].split(", ")
    assert "cpu" in devices and "meta" in devices
    without = {device for device in devices if not torch.amp.is_autocast_available(device)}
    assert without == WITHOUT_AUTOCAST & {*devices}


def test_autocast_answers_in_fp32():
    with torch.autocast("cpu", dtype=torch.float16):
        many = torch.ones(40_000, 8, dtype=torch.float16)
        total = F.cross_entropy(many, torch.zeros(40_000, dtype=torch.long), reduction="sum")
        assert total.dtype == torch.float32
        torch.testing.assert_close(total, torch.tensor(40_000 * math.log(8)))


def test_the_derivative_by_a_weight_of_zero_is_the_rows_loss():
    rows = F.cross_entropy(X, Y, reduction="none")
    weight = torch.zeros(4, requires_grad=True)
    (slope,) = torch.autograd.grad(F.cross_entropy(X, Y, sample_weight=weight, reduction="sum"), weight)
    torch.testing.assert_close(slope, rows)
    by_jax = jax.grad(lambda s: F.cross_entropy(jnp.asarray(X), jnp.asarray(Y), sample_weight=s, reduction="sum"))
    np.testing.assert_allclose(by_jax(jnp.zeros(4)), rows, rtol=1e-6)


def test_ctc_answers_nan_for_labels_it_cannot_read():
    lp = torch.zeros(6, 2, 4).log_softmax(-1)
    for wrong in (9, -3, 4):
        targets = torch.tensor([[[1, 2], [3, wrong]]])
        first, second = torch.func.vmap(lambda q: F.ctc_loss(lp, q, (6, 5), (2, 2), reduction="none"))(targets)[0]
        assert first.isfinite() and second.isnan()


def test_modules_can_be_subclassed():
    class Mine(nn.CrossEntropyLoss):
        def forward(self, x, y):
            return 2 * super().forward(x, y)

    torch.testing.assert_close(Mine(label_smoothing=0.1)(X, Y), 2 * F.cross_entropy(X, Y, label_smoothing=0.1))
    copy.deepcopy(Mine())


def test_modules_resolve_torchs_deprecated_arguments():
    with pytest.warns(DeprecationWarning):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.raises(TypeError, match=r"CrossEntropyLoss\.forward\(\) takes 3 positional arguments but 4 were given"):
        nn.CrossEntropyLoss()(X, Y, Y)


def answer(function, *args, **kwargs):
    """The answer; None if there is an error."""
    try:
        return np.asarray(function(*args, **kwargs))
    except (ValueError, TypeError, IndexError, RuntimeError):
        return None


@pytest.mark.parametrize("convert", [torch.as_tensor, np.asarray, jnp.asarray], ids=["torch", "numpy", "jax"])
@pytest.mark.parametrize("loss", ["multi_margin_loss", "multilabel_margin_loss"])
def test_single_rows_of_margin_losses_have_the_shapes_that_torch_gives_them(loss, convert):
    shapes, accepted = [(), (1,), (3,), (1, 1), (1, 3), (2, 3)], 0
    for scores, labels in itertools.product(shapes, repeat=2):
        x, y = torch.linspace(-1, 1, math.prod(scores)).reshape(scores), torch.zeros(labels, dtype=torch.long)
        theirs = answer(getattr(torch.nn.functional, loss), x, y, reduction="none")
        ours = answer(getattr(F, loss), convert(x), convert(y), reduction="none")
        if theirs is not None:
            accepted += 1
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=f"{scores}, {labels}", strict=True)
        else:
            assert ours is None, f"{scores}, {labels}"
    assert accepted > 5


def test_the_power_of_multi_margin_loss_may_be_a_whole_float():
    assert F.multi_margin_loss(X, Y, p=2.0) == F.multi_margin_loss(X, Y, p=2) != F.multi_margin_loss(X, Y)
    with pytest.raises(ValueError, match=r"p is 1\.5; it must be an integer in \[1, 2\]"):
        F.multi_margin_loss(X, Y, p=1.5)


def test_a_variance_may_be_a_number_or_one_for_each_row():
    rows = torch.tensor([0.5, 1.0, 2.0, 4.0])
    every = rows[:, None].expand(4, 3)
    for full in (False, True):
        each = F.gaussian_nll_loss(X, X * 2, every, full, reduction="none")
        for var in (rows, rows[:, None]):
            torch.testing.assert_close(F.gaussian_nll_loss(X, X * 2, var, full, reduction="none"), each)
            torch.testing.assert_close(nn.GaussianNLLLoss(full=full)(X, X * 2, var), each.mean())
        number, of_0d, of_each = (
            F.gaussian_nll_loss(X, X * 2, v, full, impl="reference") for v in (0.5, rows[0], X * 0 + 0.5)
        )
        assert number == of_0d == of_each
        torch.testing.assert_close(F.gaussian_nll_loss(X, X * 2, X * 0 + 0.5, full), number)
    square = X[:, :1] - rows  # (4, 4): a variance for each row, and not for each column
    ours, theirs = (f.gaussian_nll_loss(square, square * 2, rows, reduction="none") for f in (F, torch.nn.functional))
    torch.testing.assert_close(ours, theirs)


def test_gaussian_rows_may_be_weighted():
    rows, weight = torch.tensor([0.5, 1.0, 2.0, 4.0]), torch.tensor([1.0, 0.0, 2.0, 3.0])
    for var in (rows, 0.5):
        each = F.gaussian_nll_loss(X, X * 2, var, reduction="none")
        mean = (each * weight[:, None]).sum() / (3 * weight.sum())
        torch.testing.assert_close(F.gaussian_nll_loss(X, X * 2, var, sample_weight=weight), mean)
    poisoned = X.clone()
    poisoned[1] = NAN
    var = torch.tensor([0.5, NAN, 2.0, 4.0], requires_grad=True)
    loss = F.gaussian_nll_loss(poisoned, X * 2, var, sample_weight=weight, reduction="sum")
    hidden = F.gaussian_nll_loss(X, X * 2, rows, sample_weight=weight, reduction="sum")
    torch.testing.assert_close(loss, hidden)
    (slope,) = torch.autograd.grad(loss, var)
    assert slope[1] == 0 and slope.isfinite().all()


def test_cosine_targets_and_inputs_broadcast():
    ones = torch.ones(4)
    torch.testing.assert_close(
        F.cosine_embedding_loss(X, X + 1, torch.ones(1)), F.cosine_embedding_loss(X, X + 1, ones)
    )
    torch.testing.assert_close(
        F.cosine_embedding_loss(X, X[:1], ones), F.cosine_embedding_loss(X, X[:1].expand(4, 3), ones)
    )
    assert F.cosine_embedding_loss(X.half(), X.half(), ones).dtype == torch.float16
    assert F.cosine_embedding_loss(X, X, ones.double()).dtype == torch.float32


def test_cosine_of_nearly_orthogonal_negatives_keeps_its_digits():
    loss = F.cosine_embedding_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[1e-5, 1.0]]), -torch.ones(1))
    torch.testing.assert_close(loss, torch.tensor(1e-5), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("a", "y"), [(0.0, 1.0), (1.0, NAN)])
def test_cosine_hides_no_nan(a, y):
    other = NAN if y == 1 else 1.0
    assert F.cosine_embedding_loss(torch.tensor([[a, a]]), torch.tensor([[other, 1.0]]), torch.tensor([y])).isnan()


def test_numbers_keep_their_digits_beside_fp64():
    x = X.double()
    torch.testing.assert_close(F.mse_loss(x, x + 1, normalizer=0.1), torch.tensor(120.0).double(), rtol=1e-15, atol=0)
    exact = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    for weight in ([0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3])):
        assert F.cross_entropy(x, Y, weight=weight) == F.cross_entropy(x, Y, weight=exact)
    assert nn.CrossEntropyLoss(weight=np.array([0.1, 0.2, 0.3])).weight.dtype == torch.float64


def test_numpy_subclasses():
    plain = np.array([[1.0, 2.0], [3.0, 4.0]])
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(plain)
    assert F.mse_loss(matrix, plain * 0) == 7.5
    with pytest.raises(TypeError, match=r"sample_weight=~input\.mask"):
        F.mse_loss(np.ma.masked_array(plain, plain > 3), plain)


def test_kl_of_a_log_target_that_underflows():
    student = torch.tensor([[0.0, -INF]], requires_grad=True)
    for masked in (-200.0, torch.finfo(torch.float32).min, -INF):
        teacher = torch.tensor([[0.0, masked]], requires_grad=True)
        loss = F.kl_div(student, teacher, log_target=True, reduction="batchmean")
        assert loss == 0
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (student, teacher)))


def test_thresholds_without_bound():
    zero = torch.zeros(3)
    x = torch.tensor([INF, 1e10, -3.0])
    half = torch.tensor([INF, 5e19, 4.5])
    for delta in (1e39, INF):
        torch.testing.assert_close(F.huber_loss(x, zero, "none", delta), half)
    assert F.smooth_l1_loss(X, X + 1, beta=INF) == 0
    torch.testing.assert_close(F.smooth_l1_loss(torch.tensor([1e25]), zero[:1], beta=1e30), torch.tensor(5e19))


def test_the_gradient_holds_where_the_loss_overflows():
    x = torch.tensor([[-3e38, 3e38]], requires_grad=True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(x, Y[:1]), x)
    assert gradient.tolist() == [[-1.0, 1.0]]


def test_lengths_follow_the_input_to_its_device():
    lp, targets = torch.empty(6, 2, 4, device="meta"), torch.tensor([[1, 2], [3, 3]])
    assert F.ctc_loss(lp, targets, torch.tensor([6, 6]), torch.tensor([2, 2])).device.type == "meta"


def test_options_may_be_0d_arrays():
    assert F.huber_loss(X, X * 2, delta=torch.tensor(0.5)) == F.huber_loss(X, X * 2, delta=0.5)
    with pytest.raises(TypeError, match=r"ignore_index is int64 of shape \(\).*Pass int\(ignore_index\)"):
        F.cross_entropy(X, Y, ignore_index=torch.tensor(0))
    assert F.kl_div(X - 3, X * 0, reduction="sum", log_target=np.bool_(False)) == 0


def test_booleans_are_labels():
    yes = torch.tensor([True, False, True])
    assert F.binary_cross_entropy_with_logits(X[0], yes) == F.binary_cross_entropy_with_logits(X[0], yes.float())
    assert F.mse_loss(X[0], yes) == F.mse_loss(X[0], yes.float())


def test_tensor_subclasses_are_checked():
    class Sub(torch.Tensor):
        pass

    with pytest.raises(IndexError, match="target holds 9"):
        F.cross_entropy(X.as_subclass(Sub), (Y + 9).as_subclass(Sub))


@pytest.mark.parametrize("normalizer", [-1, NAN, INF, 1j, None])
def test_a_normalizer_is_a_count(normalizer):
    given = np.asarray(None) if normalizer is None else normalizer
    with pytest.raises(ValueError, match="normalizer is"):
        F.mse_loss(X, X, normalizer=given)


def test_a_value_just_outside_is_shown_with_its_digits():
    with pytest.raises(ValueError, match=r"holds 1\.00000012 at \[0\]"):
        F.binary_cross_entropy(torch.tensor([1.0000001]), torch.ones(1))


@pytest.mark.parametrize("n", [4096, 4097, 32_768, 1_000_003])
def test_long_means_are_right_to_one_ulp(n):
    tenth = np.float32(0.1)
    for x in (torch.full((n,), 0.1), np.full(n, tenth), jnp.full(n, 0.1)):
        mean = np.float32(F.l1_loss(x, x[:1] * 0))
        assert abs(mean - tenth) <= np.spacing(tenth), f"{type(x)}: {mean!r}"
