"""Every identity holds, and every broken side, loss or checker is found."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary.functional as F
from lossary.core.record import CATALOGUE
from lossary.identities import IDENTITIES, Domain, Identity, check, gradient, verify
from lossary.identities.detection import DETECTION
from lossary.identities.embedding import EMBEDDING
from lossary.identities.sequence import _over_all_alignments, _short_sequences

BY_NAME = {identity.name: identity for identity in IDENTITIES}
each_identity = pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)


LIBRARIES = [(library, dtype) for library in ("numpy", "torch", "array_api_strict") for dtype in ("float32", "float64")]


@pytest.mark.parametrize(("library", "dtype"), [*LIBRARIES, ("jax", "float32")])
@each_identity
def test_every_identity_holds(identity, library, dtype):
    # JAX compiles each operation for each shape: a second a sample.
    checked = check(identity, library, dtype, samples=1 if library == "jax" else 3)
    assert checked.holds, f"error {checked.largest_error:.2e}, allowed {checked.allowed:.2e}"
    assert (checked.identity, checked.library, checked.dtype) == (identity, library, dtype)


@each_identity
def test_it_is_documented(identity):
    assert identity.statement.endswith(".") and identity.formula and identity.domain
    assert set(identity.losses) <= set(CATALOGUE)
    assert bool(identity.reason) == (identity.ulps > 16)


def test_names_are_unique_and_every_loss_of_the_first_ten_takes_part():
    assert len(BY_NAME) == len(IDENTITIES)
    assert {name for identity in IDENTITIES for name in identity.losses} >= {
        "cross_entropy", "nll_loss", "kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits",
        "cosine_embedding_loss", "l1_loss", "smooth_l1_loss", "mse_loss", "huber_loss", "ctc_loss",
    }  # fmt: skip


@each_identity
def test_samples_are_random_and_reproducible(identity):
    def draw(seed, extreme):
        return identity.inputs.sample(np.random.default_rng(seed), extreme)

    def same(a, b):
        return all(np.array_equal(a[name], b[name]) for name in a)

    assert same(draw(0, False), draw(0, False))
    assert not same(draw(0, False), draw(1, False))
    shapes = [{n: np.shape(v) for n, v in draw(0, extreme).items()} for extreme in (False, True)]
    assert shapes[0] == shapes[1]
    for name, value in draw(0, True).items():
        assert isinstance(value, float) or value.dtype in (np.float64, np.int64), name


def off_by_a_thousandth(value):
    return value + 1e-3 * (np.abs(value) + (np.abs(value) < 1))


def in_one_element(value):
    broken = np.array(value)
    broken[np.isfinite(value)] += off_by_a_thousandth(0) * (np.arange(np.isfinite(value).sum()) == 0)
    return broken


def below(value):
    return -1 - np.abs(value)


def never_less(value):
    return np.full_like(value, np.inf)


BROKEN = {"equal": [off_by_a_thousandth, in_one_element], "at_least": [below], "less": [never_less], "differs": []}


@pytest.mark.parametrize(
    "identity, broken", [(i, b) for i in IDENTITIES for b in BROKEN[i.relation]], ids=lambda v: getattr(v, "name", None)
)
def test_a_broken_left_side_is_found(identity, broken):
    assert not check(replace(identity, left=lambda **inputs: broken(np.asarray(identity.left(**inputs))))).holds


@each_identity
def test_a_broken_right_side_is_found(identity):
    def broken(**inputs):
        left = np.asarray(identity.left(**inputs))
        return left if identity.relation in ("less", "differs") else off_by_a_thousandth(left)

    assert not check(replace(identity, right=broken)).holds


@each_identity
def test_nan_is_found(identity):
    nan_row = replace(identity, left=lambda **inputs: identity.left(**inputs) * np.nan)
    assert check(nan_row).largest_error == np.inf


@each_identity
def test_one_infinite_side_is_found(identity):
    if identity.relation == "equal":
        mutant = replace(identity, left=lambda **inputs: identity.left(**inputs) + np.inf)
        assert not check(mutant, extreme=False).holds


def test_the_wrong_sign_is_found():
    for identity in IDENTITIES:
        vanishes = identity.relation != "equal" or identity.name.endswith("_zero")
        if not vanishes:
            assert not check(replace(identity, left=lambda i=identity, **inputs: -i.left(**inputs))).holds, (
                identity.name
            )


def scaled(loss):
    return lambda *args, **options: 1.001 * loss(*args, **options)


def negated(loss):
    return lambda *args, **options: -loss(*args, **options)


def mean_of_everything(loss):
    return lambda *args, **options: loss(*args, **{**options, "reduction": "mean"})


def without(option):
    return lambda loss: lambda *args, **options: loss(*args, **{k: v for k, v in options.items() if k != option})


def swapped(loss):
    return lambda first, second, **options: loss(second, first, **options)


BROKEN_LOSSES = [
    *((loss, broken) for loss in sorted({n for i in IDENTITIES for n in i.losses}) for broken in (scaled, negated)),
    ("cross_entropy", mean_of_everything),
    ("cross_entropy", without("label_smoothing")),
    ("kl_div", lambda loss: lambda input, target, **options: loss(input, target, **options) + target - 1),
    ("binary_cross_entropy_with_logits", without("pos_weight")),
    ("binary_cross_entropy_with_logits", lambda loss: lambda x, t, **options: loss(-x, t, **options)),
    ("smooth_l1_loss", without("beta")),
    ("huber_loss", without("delta")),
    ("mse_loss", lambda loss: lambda x, t, **options: loss(x, t, **options) / 2),
    ("ctc_loss", lambda loss: lambda x, t, frames, labels, **options: loss(x, t, frames, labels, blank=0)),
    ("ctc_loss", lambda loss: lambda *args, **options: loss(*args, **options, zero_infinity=True)),
]


@pytest.mark.parametrize(
    "name, broken", BROKEN_LOSSES, ids=lambda part: part if isinstance(part, str) else part.__name__
)
def test_a_broken_loss_is_found(monkeypatch, name, broken):
    monkeypatch.setattr(F, name, broken(getattr(F, name)))
    assert not all(holds(identity) for identity in IDENTITIES if name in identity.losses)


def holds(identity):
    try:
        return check(identity).holds
    except (ValueError, TypeError):  # a mutant that reduces where it must not: the sides differ in shape
        return False


def test_a_wrong_gradient_is_found(monkeypatch):
    """The value right, the gradient doubled: only identities about gradients can tell."""

    def doubled(x, *args, **options):
        value = cross_entropy(x, *args, **options)
        return value + (value - value.detach()) if x.requires_grad else value

    cross_entropy = F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", doubled)
    failing = {i.name for i in IDENTITIES if "cross_entropy" in i.losses and not check(i, "torch").holds}
    assert failing == {
        "cross_entropy_gradient",
        "cross_entropy_and_kl_gradients_soft",
        "cross_entropy_and_kl_gradients_one_hot",
    }


def test_sides_of_unequal_shape_are_refused():
    identity = replace(IDENTITIES[0], right=lambda p, q: p[:, None])
    with pytest.raises(ValueError, match=r"information_adds: the sides have shapes \(16,\) and \(16, 1\)"):
        check(identity)


def toy(relation, left, right, unit=1.0):
    domain = Domain("x", lambda rng, extreme: {"x": np.zeros(2)})
    sides = [lambda x, side=side: np.array(side, np.float64) for side in (left, right)]
    return Identity("toy", "Toy.", "x", domain, relation, *sides, unit=unit)


@pytest.mark.parametrize(
    "relation, left, right, holds",
    [
        ("equal", [np.inf, 1], [np.inf, 1], True),
        ("equal", [np.inf, 1], [-np.inf, 1], False),
        ("equal", [np.inf, 1], [1, 1], False),
        ("at_least", [np.inf, 1], [1, 1], True),
        ("at_least", [1, 1], [np.inf, 1], False),
        ("at_least", [1, -np.inf], [1, -np.inf], True),
        ("less", [1, 1], [2, np.inf], True),
        ("less", [1, 1], [2, 1], False),
        ("less", [1, np.inf], [2, np.inf], False),
        ("differs", [1, 1], [1, 2], True),
        ("differs", [1, 1], [1, 1 + 1e-9], False),
        ("differs", [np.inf, 1], [np.inf, 1], False),
    ],
)
def test_relations(relation, left, right, holds):
    assert check(toy(relation, left, right)).holds is holds


def test_errors_are_relative_above_the_unit_and_absolute_below():
    assert check(toy("equal", [2e6, 0], [1e6, 0])).largest_error == pytest.approx(0.5)
    assert check(toy("equal", [2e-6, 0], [1e-6, 0])).largest_error == pytest.approx(1e-6)
    assert check(toy("equal", [2e-6, 0], [1e-6, 0], unit=0.0)).largest_error == pytest.approx(0.5)
    assert check(toy("at_least", [1.0, 5], [3.0, 1])).largest_error == pytest.approx(2 / 3)


def cubes(x):
    return (x**3).sum(-1) if x.ndim > 1 else x**3


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor, jnp.asarray], ids=["numpy", "torch", "jax"])
@pytest.mark.parametrize("x", [[1.0, -2.0, 0.5], [[1.0, -2.0], [0.5, 3.0]]], ids=["elements", "rows"])
def test_gradient(convert, x):
    got = gradient(cubes, convert(x))
    assert np.asarray(got) == pytest.approx(3 * np.array(x) ** 2, rel=1e-6)


def test_the_central_differences_are_as_exact_as_said():
    x = np.random.default_rng(0).normal(0, 3, (20, 5))
    target = np.eye(5)[np.arange(20) % 5]
    q = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    assert abs(gradient(lambda z: F.cross_entropy(z, target, reduction="none"), x) - (q - target)).max() < 1e-11


def test_brute_force_agrees_with_torch():
    rng = np.random.default_rng(0)
    inputs = {name: torch.from_numpy(value) for name, value in _short_sequences(rng, False).items()}
    expected = torch.nn.functional.ctc_loss(*inputs.values(), reduction="none")
    assert torch.allclose(_over_all_alignments(**inputs), expected, rtol=1e-12)
    assert torch.isinf(expected).any() and torch.isfinite(expected).any()


def test_jax_is_left_in_its_own_precision():
    check(IDENTITIES[0], "jax", "float64")
    assert jnp.asarray(1.0).dtype == jnp.float32 and not jax.config.jax_enable_x64


RNG = np.random.default_rng(7)
LOGITS, LABELS = RNG.normal(0, 2, (30, 4)), RNG.integers(0, 4, 30)
DATA = {
    "class labels": (LOGITS, LABELS, {"cross_entropy_is_nll_of_log_softmax", "cross_entropy_written_out"}),
    "ignored labels": (LOGITS, np.where(LABELS == 3, -100, LABELS), {"label_smoothing_mixes_losses"}),
    "soft targets": (LOGITS, RNG.dirichlet(np.ones(4), 30), {"cross_entropy_decomposes", "uniform_has_most_entropy"}),
    "whole numbers": (np.arange(12).reshape(4, 3), np.array([0, 1, 2, 1], np.uint8), {"cross_entropy_of_one_hot"}),
    "binary": (LOGITS, (LABELS[:, None] > np.arange(4)).astype(int), {"pos_weight_duplicates_positives"}),
    "probabilities of yes": (RNG.uniform(0.01, 0.99, 20), RNG.integers(0, 2, 20), {"binary_cross_entropy_of_sigmoid"}),
    "regression": (LOGITS, LOGITS + RNG.normal(0, 1, (30, 4)), {"huber_is_scaled_smooth_l1", "smooth_l1_tends_to_l1"}),
}


@pytest.mark.parametrize("kind", DATA)
def test_on_a_users_own_data(kind):
    predictions, target, among = DATA[kind]
    results = verify(["numpy", "torch"], data=(predictions, target))
    assert all(checked.holds for checked in results)
    names = {checked.identity.name for checked in results}
    assert among <= names and len(names) < len(IDENTITIES)
    assert len(results) == 4 * len(names)


def test_every_identity_that_can_take_data_gets_some():
    reached = {i.name for p, t, _ in DATA.values() for i in IDENTITIES if i.inputs.adopt(p, t) is not None}
    drawn_only = {"information_adds", "rarer_is_more_informative", "entropy_of_one_hot_is_zero",
                  "relative_entropy_is_not_symmetric", "two_logits_are_one", "two_focal_logits_are_one",
                      "categorical_hinge_of_two_classes_is_hinge", "categorical_hinge_of_two_classes_is_multi_margin",
                  "ctc_of_one_frame_is_nll", "ctc_sums_over_alignments", "ctc_of_logits_is_ctc_of_log_softmax",
                  "rnnt_of_one_frame_is_cross_entropy", "rnnt_of_no_labels_is_cross_entropy_of_blanks",
                  "rnnt_counts_paths", "rnnt_takes_other_classes_alike",
                  "cox_of_one_event_is_cross_entropy", "cox_of_two_rows_is_binary_cross_entropy",
                  "cox_knows_the_order_of_times_alone", "cox_of_untied_times_is_of_breslow_and_efron",
                  "efron_is_below_breslow", "cox_of_strata_adds_up", "cox_of_all_orders_adds_up_to_1",
                  "efron_of_equals_counts_orders",
                  "linear_cross_entropy_is_cross_entropy_of_linear", *(i.name for i in (*EMBEDDING, *DETECTION)),
                  "quantile_losses_are_the_ranked_probability_score",
                  "dpo_is_soft_margin_of_the_lead", "conservative_dpo_is_binary_cross_entropy_of_the_lead",
                  "dpo_hinge_is_hinge_of_the_lead", "ipo_is_a_squared_error_of_the_lead",
                  "robust_dpo_without_noise_is_dpo", "robust_dpo_is_unbiased",
                  "exchanged_answers_cost_the_lead_more", "bco_is_a_binary_cross_entropy_of_each_reward",
                  "exo_is_a_reverse_divergence", "a_margin_is_a_likelier_reference",
                  "dpo_gradient"}  # fmt: skip
    assert reached == set(BY_NAME) - drawn_only


def test_data_are_not_written():
    predictions, target = LOGITS.copy(), LABELS.copy()
    predictions.flags.writeable = target.flags.writeable = False
    verify(["numpy", "torch"], ["float64"], data=(predictions, target))


def test_verify_checks_everything_once():
    results = verify(["numpy"], samples=1)
    pairs = [(checked.identity.name, checked.dtype) for checked in results]
    assert pairs == list(itertools.product(BY_NAME, ["float32", "float64"]))
    assert all(checked.holds for checked in results)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: check(IDENTITIES[0], "tensorflow"), ["library is 'tensorflow'", "numpy, torch, jax"]),
        (lambda: check(IDENTITIES[0], "numpy", "float16"), ["dtype is 'float16'", "float32, float64"]),
        (
            lambda: check(BY_NAME["huber_is_scaled_smooth_l1"], data=(LOGITS, LABELS)),
            ["shapes (30, 4) and (30,)", "huber_is_scaled_smooth_l1", "real"],
        ),
        (lambda: verify(["numpy"], data=(LOGITS, LABELS[:7])), ["shapes (30, 4) and (7,)", "class labels (N,)"]),
        (lambda: verify(data=(LOGITS * np.nan, LABELS)), ["finite predictions"]),
        (lambda: verify(data=(LOGITS, LABELS.astype(str))), ["target of dtype <U", "numbers"]),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "array_api_strict", None)
    with pytest.raises(ImportError, match="array_api_strict is not installed; pip install"):
        check(IDENTITIES[0], "array_api_strict")
