"""Arrays that no loss computes with raise, in words that name the function, the argument and the way out."""

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
import torch

import lossary
from lossary import information
from lossary.core.contract import Range
from lossary.testing import LIBRARIES, ordinary

pytestmark = pytest.mark.filterwarnings("ignore:.*(prototype|kl_div|[Ss]parse|quantize)")

LOSSES = [pytest.param(loss, id=loss.name) for loss in lossary.catalogue()]
FLOAT8 = [getattr(torch, name) for name in dir(torch) if name.startswith("float8_")]


def torch_arrays(x):
    """Tensors of the values of `x`, by the words that lead to a plain one."""
    found = {".to_dense()": [x.to_sparse()], "get_data()": [torch.masked.masked_tensor(x, torch.ones_like(x) > 0)]}
    if x.ndim:
        layouts = (torch.strided, torch.jagged)
        found["torch.cat("] = [torch.nested.nested_tensor(list(x), layout=of) for of in layouts if x.ndim > 1]
        found["torch.cat("] += [torch.nested.nested_tensor([x])]
    if x.ndim == 2:
        blocks = [x.to_sparse_bsr((1, 1)), x.to_sparse_bsc((1, 1))]
        found[".to_dense()"] += [x.to_sparse_csr(), x.to_sparse_csc(), *blocks]
    if x.is_floating_point():
        found[".to_dense()"] += [x.float().to_mkldnn()] if x.ndim else []
        found[".float()"] = [x.to(dtype) for dtype in FLOAT8]
        found[".dequantize()"] = [torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8)]
    else:
        found["torch.int64"] = [torch.empty(x.shape, dtype=torch.uint4), torch.empty(x.shape, dtype=torch.bits8)]
    return found


def jax_arrays(x):
    nothing = jnp.zeros(0, x.dtype), jnp.zeros((0, x.ndim), jnp.int32)
    found = {".todense()": [jax.experimental.sparse.BCOO(nothing, shape=x.shape)]}
    if jnp.issubdtype(x.dtype, jnp.floating):
        kinds = (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float4_e2m1fn)
        found[".astype("] = [jnp.asarray(np.zeros(x.shape, dtype)) for dtype in kinds]
    return found


def numpy_arrays(x):
    kinds = (object, str, bytes, "M8[s]", "V4", [("a", float)], ml_dtypes.float8_e5m2, ml_dtypes.bfloat16)
    found = {".astype(": [np.zeros(x.shape, dtype) for dtype in kinds]}
    return found | ({".todense()": [scipy.sparse.coo_matrix(x)]} if x.ndim == 2 else {})


OTHERS = {"torch": torch_arrays, "jax": jax_arrays, "numpy": numpy_arrays}
CASES = [pytest.param(library, make, id=library) for library, make in OTHERS.items()]


def whole_sample(loss):
    """A valid call that gives every array, those of the call path too."""
    sample = next(s for s in (ordinary(loss, seed) for seed in range(1000)) if {*s.specs} == {*loss.data})
    weight = np.ones(np.shape(loss.public(**sample.arguments | {"reduction": "none"})))
    return sample.but(sample_weight=weight, normalizer=np.array(2.0), reduction="mean")


class TestEveryArgument:
    @pytest.mark.parametrize(("library", "make"), CASES)
    @pytest.mark.parametrize("loss", LOSSES)
    def test_of_every_loss(self, loss, library, make):
        sample = whole_sample(loss)
        given = {
            n: LIBRARIES[library].array(x, "float32") if isinstance(x, np.ndarray) else x
            for n, x in sample.arguments.items()
        }
        options = [n for n, of in loss.options.items() if isinstance(of, Range) and not of.integer]
        numbers = {n: LIBRARIES[library].array(np.array(0.5), "float32") for n in options}
        for name in (*sample.arrays, *options):
            for fix, arrays in make((given | numbers)[name]).items():
                for x in arrays:
                    with pytest.raises((TypeError, ValueError)) as caught:
                        loss.public(**given | {name: x})
                    message = str(caught.value)
                    assert message.startswith(f"{loss.name}: {name} ") and f"{name}" in message.partition("Pass")[2]
                    assert fix in message, message

    @pytest.mark.parametrize(("library", "make"), CASES)
    def test_of_every_function(self, library, make):
        array = LIBRARIES[library].array
        x, y = array(np.full((2, 3), 1 / 3), "float32"), array(np.array([0, 2]), "float32")
        w, lengths = array(np.ones((3, 3)), "float32"), array(np.array([1]), "float32")
        few = lossary.TopK(array(np.array([[0, 1], [1, 2]]), "float32"), array(np.full((2, 2), 0.5), "float32"))
        mixed = lossary.Mixed(y, y, array(np.array(0.5), "float32"))
        calls = [
            (lossary.log_prob, {"input": x, "target": y}),
            (lossary.linear_log_prob, {"input": x, "linear_weight": w, "target": y, "linear_bias": w[0]}),
            (
                lossary.ctc_align,
                {"log_probs": x, "targets": y[1:], "input_lengths": lengths, "target_lengths": lengths},
            ),
            (lossary.class_weights, {"labels": y}),
            (lossary.pos_weight, {"labels": y}),
            (information.self_information, {"p": x}),
            (information.entropy, {"p": x}),
            (information.cross_entropy, {"p": x, "q": x}),
            (information.relative_entropy, {"p": x, "q": x}),
            (information.jensen_shannon, {"p": x, "q": x}),
            (information.decompose, {"logits": x, "target": x}),
            (lambda indices, probs: lossary.cross_entropy(x, lossary.TopK(indices, probs)), few._asdict()),
            (lambda a, b, lam: lossary.cross_entropy(x, lossary.Mixed(a, b, lam)), mixed._asdict()),
            (lambda input: lossary.cross_entropy(input, few), {"input": x}),
        ]
        for function, given in calls:
            for name, arrays in ((n, made) for n, z in given.items() for made in make(z).values()):
                for z in arrays:
                    with pytest.raises((TypeError, ValueError), match=r"^\w+: [\w.]+ (is|are|mixes) ") as caught:
                        function(**given | {name: z})
                    assert "Pass " in str(caught.value)

    @pytest.mark.parametrize(("library", "make"), CASES)
    def test_is_a_finding_of_check(self, library, make):
        x = LIBRARIES[library].array(np.full((2, 3), 1 / 3), "float32")
        for arrays in make(x).values():
            for z in arrays:
                for given in ((z, x), (x, z)):
                    assert lossary.check("mse_loss", *given)[0].code == "LS100"


@pytest.mark.parametrize("loss", LOSSES)
def test_tensors_without_values_go_with_their_like_alone(loss):
    sample = whole_sample(loss)
    given = {n: torch.tensor(x) if isinstance(x, np.ndarray) else x for n, x in sample.arguments.items()}
    meta = {n: given[n].to("meta") for n in sample.arrays}
    assert loss.public(**given | meta).is_meta
    for name in [*sample.arrays][1:]:
        with pytest.raises(ValueError, match=f"^{loss.name}: {name} is on the device meta and .* on cpu"):
            loss.public(**given | {name: meta[name]})
